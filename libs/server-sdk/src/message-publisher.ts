// Not by its alias: this library is built into a package of its own, where there are none.
import type { AnyShapes, ChannelName, ShapeOf, Shapes, StorageOf } from '../../protocol/src/channel-shapes';
import { HttpTransport } from './http-transport';
import { LambdaTransport } from './lambda-transport';
import {
  encodeBatch,
  encodeMessage,
  type AnyMessageInput,
  type EventName,
  type MessageInput,
  type MessageOptions,
  type PublishResponse,
  type PublishResult,
} from './message';
import { Requests } from './requests';
import { checkOptionNames, Config, optionOf, type ConfigOptions } from './sdk-config';
import { ArgumentError, ConfigurationError, PublishError } from './sdk-errors';
import type { Transport } from './transport';

/** A reaction to a stored message (publish-api §8). */
export interface ReactionInput {
  messageId: string;
  reaction: string;
  /** `add` when not given. */
  action?: 'add' | 'remove';
  /** The user that reacts; not given, the one anonymous user that all servers are. */
  uid?: string;
  umd?: unknown;
}

/**
 * Publishes messages with one configuration (server-sdk §3). Keep one for the lifetime of the process and use it for
 * everything at the same time: connections, credentials and signing keys are kept with it.
 *
 * @typeParam S what is sent over which channel, as for the client library; not given, anything
 */
export class Publisher<S extends Shapes<S> = AnyShapes> {
  private readonly config: Config;
  private readonly requests = new Requests();
  private prepared?: ReturnType<typeof prepare>;
  private batchTransport?: Transport;

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
  async publishMessage<Channel extends ChannelName<S>, Event extends EventName<S, Channel>, Data>(
    input: MessageInput<S, Channel, Event, Data>,
  ): Promise<PublishResult> {
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

  /**
   * Publishes 1 to 100 messages, those of a channel in their order. By HTTP, whatever `transport` is. When one is refused none is
   * published; in an outage some may be, and those are published again by a repetition unless they have a `deduplicationId`.
   *
   * @throws PublishError with the `index` of the message that was refused; otherwise as `publishMessage`
   */
  async publishBatch(inputs: readonly AnyMessageInput<S>[]): Promise<PublishResult<PublishResponse[]>> {
    const payload = encodeBatch(inputs);
    checkOptionNames(this.config);
    this.batchTransport ??= new HttpTransport(this.config, '/batch');
    return this.send(this.batchTransport, payload);
  }

  /**
   * Sets an entry of a channel's storage; `null` clears it. Throws as `publishMessage`.
   *
   * @param options `store` is `-1` when not given: entries stay
   */
  async setStorage<Channel extends ChannelName<S>, Key extends keyof StorageOf<ShapeOf<S, Channel>> & string>(
    channel: Channel,
    key: Key,
    data: StorageOf<ShapeOf<S, Channel>>[Key] | null,
    options: Omit<MessageOptions, 'key' | 'eagerIdGeneration'> = {},
  ): Promise<PublishResult> {
    return this.publish(encodeMessage({ ...options, channel, event: 'hotsock.channelStorageSet', key, data }));
  }

  /**
   * Adds a reaction to a stored message, or removes one. Throws as `publishMessage`; `MESSAGE_NOT_FOUND` where there is no
   * such message.
   */
  async react(
    channel: ChannelName<S>,
    { action = 'add', ...reaction }: ReactionInput,
    options: Pick<MessageOptions, 'deduplicationId' | 'emitPubSubEvent'> = {},
  ): Promise<PublishResult> {
    const data = { ...reaction, action };
    return this.publish(encodeMessage({ ...options, channel, event: 'hotsock.messageReaction', data }));
  }

  private async publish(payload: Uint8Array): Promise<PublishResult> {
    this.prepared ??= prepare(this.config);
    return this.send(this.prepared.transport, payload);
  }

  private async send(transport: Transport, payload: Uint8Array): Promise<PublishResult> {
    const outcome = await this.requests.send(limitsOf(this.config), () => transport.request(payload));
    if (outcome.statusCode !== undefined) return transport.read(outcome);
    const { problem, code, cause } = outcome;
    throw new PublishError(problem, { code }, { cause });
  }
}

/** Of one request. @throws ConfigurationError naming the option that cannot be used */
export function limitsOf(config: Config) {
  return { timeoutMs: optionOf(config, 'timeoutMs'), maxRetries: optionOf(config, 'maxRetries') };
}

function prepare(config: Config) {
  checkOptionNames(config);
  return { transport: transportOf(config) };
}

/** The transport that is set, else the one that there are settings for (server-sdk §2). */
function transportOf(config: Config): Transport {
  const has = (name: keyof Config) => optionOf(config, name) !== undefined;
  // One of the settings for HTTP is enough to know what is meant, and that the other one is missing.
  const isHttp = has('publishHttpApiUrl') || has('httpApiUrl') || has('httpApiKey');
  const name = optionOf(config, 'transport') ?? (has('publishFunctionArn') ? 'lambda' : isHttp ? 'http' : undefined);
  if (name === 'lambda') return new LambdaTransport(config);
  if (name === 'http') return new HttpTransport(config);
  throw new ConfigurationError('publishFunctionArn', 'is needed to publish, or publishHttpApiUrl and httpApiKey');
}
