import { PublishError, type PublishFailure } from './sdk-errors';
import type { PublishResult } from './message';

/** What came back, whatever its status. */
export interface Answer {
  readonly statusCode: number;
  readonly headers: Headers;
  readonly payload: Uint8Array;
}

/** One of the ways to a publish-api: how a message is asked for, and what an answer means. */
export interface Transport {
  readonly url: URL;
  /** Headers of one attempt; asked for each time, for a signature holds the time it was made. */
  headers(payload: Uint8Array): Promise<Record<string, string>>;
  /** @throws PublishError when the message was refused */
  read(answer: Answer): PublishResult;
}

/** Result of an accepted message. */
export function resultOf(
  answer: Answer,
  more: Pick<PublishResult, 'executedVersion' | 'functionError' | 'requestId'> = {},
): PublishResult {
  const { statusCode, payload } = answer;
  const text = () => textOf(answer);
  return { statusCode, payload, ...more, text, json: <T>() => JSON.parse(text()) as T };
}

/** @param named what the answer calls the error; a code that is no string is replaced by the status */
export function refusalOf(
  answer: Answer,
  named: { readonly code?: unknown; readonly message?: unknown },
  more: Pick<PublishFailure, 'functionError' | 'requestId'> = {},
): PublishError {
  const { statusCode, payload } = answer;
  const code = typeof named.code === 'string' ? named.code : `HTTP_${statusCode}`;
  const message = typeof named.message === 'string' ? named.message : 'the message was not accepted';
  return new PublishError(message, { statusCode, code, payload, ...more });
}

/** A JSON object's members, none when the payload is anything else. */
export function membersOf(answer: Answer): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(textOf(answer)) as object) };
  } catch {
    return {};
  }
}

export function textOf({ payload }: Answer): string {
  return new TextDecoder().decode(payload);
}
