import { setTimeout as delay } from 'node:timers/promises';
import { waitBeforeRetry } from './backoff';
import { checkOptionNames, Config, optionOf, type ConfigOptions } from './sdk-config';
import { ArgumentError, ConfigurationError, PublishError } from './sdk-errors';
import { HttpTransport } from './http-transport';
import { LambdaTransport } from './lambda-transport';
import { encodeMessage, type PublishInput, type PublishResult } from './message';
import { Slots } from './slots';
import type { Answer, Transport } from './transport';

/** Requests in flight of one publisher, the number the AWS SDK allows itself. */
const MAX_IN_FLIGHT = 50;

/**
 * Publishes messages with one configuration (server-sdk §3). Keep one for the lifetime of the process and use it for
 * everything at the same time: connections, credentials and signing keys are kept with it.
 */
export class Publisher {
  private readonly config: Config;
  private readonly slots = new Slots(MAX_IN_FLIGHT);
  private prepared?: ReturnType<typeof prepare>;

  /** @param config read at the first message; later changes have no effect */
  constructor(config: Config | ConfigOptions) {
    this.config = config instanceof Config ? config : new Config(config);
  }

  /**
   * Publishes a message and waits until it is accepted. A failed attempt is repeated after a while; when the failure was
   * that no answer came, a message without `deduplicationId` may arrive twice.
   *
   * @throws ArgumentError when `channel` or `event` is not a string
   * @throws ConfigurationError naming the option that is missing or wrong
   * @throws PublishError when the message was refused, or not accepted after all attempts
   */
  async publishMessage(input: PublishInput): Promise<PublishResult> {
    return this.publish(encodeMessage(input));
  }

  /**
   * As `publishMessage`, with a message that is JSON already: it is sent as it is written. JavaScript has no other way to
   * publish `12345678901234567890` or `1.10`.
   *
   * @param json the message (publish-api §3); the server knows the rules
   * @throws ArgumentError when it is not a string, and as `publishMessage`
   */
  async publishDocument(json: string): Promise<PublishResult> {
    if (typeof json !== 'string') throw new ArgumentError('the document must be a string');
    return this.publish(new TextEncoder().encode(json));
  }

  private async publish(payload: Uint8Array): Promise<PublishResult> {
    this.prepared ??= prepare(this.config);
    const { transport, timeoutMs, maxRetries } = this.prepared;
    for (let retry = 0; ; retry++) {
      const outcome = await this.slots.run(() => attempt(transport, payload, timeoutMs));
      const waitMs = retry < maxRetries ? waitBeforeRetry(outcome, retry) : undefined;
      if (waitMs !== undefined) await delay(waitMs);
      else if (outcome instanceof PublishError) throw outcome;
      else return transport.read(outcome);
    }
  }
}

function prepare(config: Config) {
  checkOptionNames(config);
  return {
    timeoutMs: optionOf(config, 'timeoutMs'),
    maxRetries: optionOf(config, 'maxRetries'),
    transport: transportOf(config),
  };
}

/** The transport that is set, else the one that there are settings for (server-sdk §2). */
function transportOf(config: Config): Transport {
  const has = (name: keyof Config) => optionOf(config, name) !== undefined;
  // One of the two settings for HTTP is enough to know what is meant, and that the other one is missing.
  const name =
    optionOf(config, 'transport') ??
    (has('publishFunctionArn') ? 'lambda' : has('publishHttpApiUrl') || has('httpApiKey') ? 'http' : undefined);
  if (name === 'lambda') return new LambdaTransport(config);
  if (name === 'http') return new HttpTransport(config);
  throw new ConfigurationError('publishFunctionArn', 'is needed to publish, or publishHttpApiUrl and httpApiKey');
}

/** One request. @returns the answer, or why none came; both may be worth another attempt */
async function attempt(transport: Transport, body: Uint8Array, timeoutMs: number): Promise<Answer | PublishError> {
  const headers = await transport.headers(body);
  try {
    const response = await fetch(transport.url, {
      method: 'POST',
      headers,
      body,
      // A redirect would take the key elsewhere, or turn the publish into a GET.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const payload = new Uint8Array(await response.arrayBuffer());
    return { statusCode: response.status, headers: response.headers, payload };
  } catch (cause) {
    return noAnswer(transport.url, timeoutMs, cause);
  }
}

function noAnswer({ host }: URL, timeoutMs: number, cause: unknown): PublishError {
  // Not by `instanceof`: fetch's errors may be of another realm, as in test runners. It says only "fetch failed", and what
  // happened is in the cause.
  const { name, cause: reason = cause } = Object(cause) as Partial<Error>;
  if (name === 'TimeoutError') {
    return new PublishError(`${host} did not answer within ${timeoutMs} ms`, { code: 'TIMEOUT' }, { cause });
  }
  const { message = String(reason) } = Object(reason) as Partial<Error>;
  return new PublishError(`no answer from ${host}: ${message}`, { code: 'NETWORK_ERROR' }, { cause });
}
