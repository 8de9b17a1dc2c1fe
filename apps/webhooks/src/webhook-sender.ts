import { CLOUD_EVENT_TYPE, isCloudEvent } from '@hearth/wire';
import { VERSION } from '@hearth/config';
import { deadline, installationNow } from '@hearth/timing';
import { isPublicAddress } from './rules/public-address';
import { judgeAnswer, type Verdict } from './rules/answer';
import { signedHeaders } from './rules/signature';
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { PrivateAddressError, publicLookup } from './public-lookup';

export interface SenderSettings {
  /** For one attempt, from the look-up of the name to the answer. */
  readonly webhookTimeoutMs: number;
  readonly webhookAllowPrivate: boolean;
}

/** What is sent. */
export interface Outgoing {
  readonly id: string;
  readonly payload: Uint8Array;
}

/** Only the status of an answer counts. So much of it is read, so that the connection can be used again. */
const MAX_ANSWER_BYTES = 16_384;
const BODY_MS = 1_000;
/** Connections that nobody uses are closed after this long; most servers do it sooner themselves. */
const IDLE_MS = 30_000;
const MAX_REASON_CHARACTERS = 300;

/** Sends events to one URL, over connections that are kept open. */
export class WebhookSender {
  private readonly url: URL;
  private readonly agent: HttpAgent | HttpsAgent;
  private readonly request: typeof httpRequest;
  private readonly inFlight = new Set<ClientRequest>();

  /**
   * @param connections how many there may be at once
   * @param secrets asked for with every attempt, so that they can change
   */
  constructor(
    url: string,
    private readonly settings: SenderSettings,
    connections: number,
    private readonly secrets: () => readonly string[],
  ) {
    this.url = new URL(url);
    const isSecure = this.url.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections, timeout: IDLE_MS };
    // An agent of its own: a host that hangs must not use up the connections of another URL.
    this.agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    this.request = isSecure ? httpsRequest : httpRequest;
  }

  /** One attempt. Never rejects: whatever goes wrong is a reason why the event was not delivered. */
  async send(event: Outgoing): Promise<Verdict> {
    try {
      this.refusePrivateLiteral();
      const first = await this.attempt(event);
      // A kept connection that the server had closed already. It has seen nothing of this request.
      return first === 'stale connection' ? await this.attempt(event, false) : first;
    } catch (error) {
      return { delivered: false, reason: reasonOf(error) };
    }
  }

  /** Breaks off what is under way, and closes all connections. */
  close(): void {
    for (const request of this.inFlight) request.destroy(new Error('broken off'));
    this.agent.destroy();
  }

  /** Names are looked at when they have been resolved; an address in the URL is never resolved. */
  private refusePrivateLiteral(): void {
    const host = this.url.hostname.replace(/^\[|\]$/g, '');
    if (this.settings.webhookAllowPrivate || isIP(host) === 0 || isPublicAddress(host)) return;
    throw new PrivateAddressError(host);
  }

  private attempt(event: Outgoing): Promise<Verdict | 'stale connection'>;
  private attempt(event: Outgoing, mayBeStale: false): Promise<Verdict>;
  private attempt(event: Outgoing, mayBeStale = true): Promise<Verdict | 'stale connection'> {
    const { webhookTimeoutMs, webhookAllowPrivate } = this.settings;
    return new Promise((resolve, reject) => {
      const request = this.request(this.url, {
        method: 'POST',
        agent: this.agent,
        lookup: webhookAllowPrivate ? undefined : publicLookup,
        headers: {
          'content-type': isCloudEvent(event.payload) ? CLOUD_EVENT_TYPE : 'application/json',
          'content-length': event.payload.length,
          'user-agent': `Hearth/${VERSION}`,
          ...signedHeaders(event.id, installationNow(), event.payload, this.secrets()),
        },
      });
      const cancel = deadline(webhookTimeoutMs, () =>
        request.destroy(new Error(`no answer within ${webhookTimeoutMs} ms`)),
      );
      this.inFlight.add(request);
      let verdict: Verdict | undefined;
      request.once('response', (response) => {
        verdict = judgeAnswer(response.statusCode ?? 0, response.headers['retry-after'], installationNow());
        discard(response);
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (verdict !== undefined) return;
        const isStale = mayBeStale && request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        if (isStale) resolve('stale connection');
        else reject(error);
      });
      request.once('close', () => {
        cancel();
        this.inFlight.delete(request);
        resolve(verdict ?? { delivered: false, reason: 'the connection was closed without an answer' });
      });
      request.end(event.payload);
    });
  }
}

/** Reads the body to its end, or closes the connection when it is a long or a slow one. */
function discard(response: IncomingMessage): void {
  const patience = setTimeout(() => response.destroy(), BODY_MS);
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) response.destroy();
  });
  // The status has come; how the body ends is of no interest.
  response.on('error', () => undefined);
  response.once('close', () => clearTimeout(patience));
}

/** Text for an operator that Postgres takes. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  const errors = error instanceof AggregateError ? error.errors : [];
  const text = message !== '' ? message : errors.map((one) => (one as Error).message).join('; ') || String(code);
  return text.replaceAll('\u0000', '').slice(0, MAX_REASON_CHARACTERS);
}
