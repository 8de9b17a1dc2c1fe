import { HistoryError } from './errors';
import type { ClientRequest, Frame, HttpAnswer } from './frames';
import type { Refusal } from './outbox';
import { inTime } from './token';
import type { ClientOptions, Published, Response } from './types';

/** Where the client HTTP API is, and who asks (client-http-api §1). */
export interface HttpTarget {
  readonly base: string;
  readonly connectionId: string;
  readonly connectionSecret: string;
  readonly fetch: NonNullable<ClientOptions['fetch']>;
}

const SET = 'hotsock.channelStorageSet';

/** The origin of a WebSocket's URL, over HTTP. */
export function httpOrigin(webSocketUrl: string): string {
  return new URL(webSocketUrl.replace(/^ws/i, 'http')).origin;
}

/** @throws HistoryError */
export async function historyPage(
  target: HttpTarget,
  request: object,
  signal: AbortSignal | undefined,
): Promise<readonly Frame[]> {
  const { messages = [] } = await post(target, 'listMessages', request, HistoryError, signal);
  return messages;
}

/** Publishes, reacts or stores. @throws HearthError of the kind `refusal` */
export async function postMessage(
  target: HttpTarget,
  frame: object,
  refusal: Refusal,
): Promise<Omit<Published, 'ref'>> {
  const isWrite = (frame as ClientRequest).event === SET;
  const operation = isWrite ? 'channelStorageSet' : 'publishMessage';
  const request: ClientRequest = { ...frame, eagerIdGeneration: true };
  const { id = null, scheduleArn } = await post(target, operation, request, refusal);
  return { id, scheduleArn };
}

async function post(
  { base, connectionId, connectionSecret, fetch }: HttpTarget,
  operation: string,
  body: object,
  refusal: Refusal,
  caller?: AbortSignal,
): Promise<HttpAnswer> {
  const query = String(new URLSearchParams({ connectionId, connectionSecret }));
  const own = new AbortController();
  caller?.addEventListener('abort', () => own.abort(), own);
  let response;
  let json;
  try {
    const url = `${base.replace(/\/$/, '')}/connection/${operation}?${query}`;
    response = await inTime(fetch(url, { method: 'POST', body: JSON.stringify(body), signal: own.signal }));
    json = (await bodyOf(response)) as HttpAnswer;
  } catch (cause) {
    throw new refusal('no answer', { code: 'NOT_CONNECTED', retryable: true, cause });
  } finally {
    // One that was given up takes no part of the link, and is not accepted behind later ones.
    own.abort();
  }
  if (response.ok) return json;
  const { status } = response;
  const { code = 'ERROR', message = code } = json.error ?? {};
  // The secret of a connection that has ended is no use; the next one's is.
  throw new refusal(message, { code, retryable: status >= 500 || status === 429 || status === 401 });
}

/** A page may be long and the link slow: what has its time is each silence. */
async function bodyOf(response: Response): Promise<unknown> {
  const reader = response.body?.getReader();
  if (!reader) return inTime(response.json());
  const chunks: Uint8Array[] = [];
  for (let chunk; (chunk = (await inTime(reader.read())).value);) chunks.push(chunk);
  return JSON.parse(await new Blob(chunks).text()) as unknown;
}
