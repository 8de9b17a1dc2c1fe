// Not by its alias: this library is built into a package of its own, where there are none.
import type {
  AnyShapes,
  ChannelName,
  EventsOf,
  MemberOf,
  ShapeOf,
  Shapes,
  StorageOf,
} from '../../protocol/src/channel-shapes';
import { bearer, below } from './http-transport';
import { Listing, type PageOptions } from './listing';
import { limitsOf } from './message-publisher';
import { Requests } from './requests';
import { checkOptionNames, Config, optionOf, type ConfigOptions } from './sdk-config';
import { ApiError, ArgumentError, ConfigurationError } from './sdk-errors';
import type {
  ChannelInfo,
  ChannelsPage,
  ChannelSummary,
  Connection,
  ConnectionDetails,
  ConnectionQuery,
  ConnectionsPage,
  Disconnected,
  DisconnectInput,
  Member,
  MessagesPage,
  Revocation,
  RevocationsPage,
  Revoked,
  RevokeInput,
  Schedule,
  ScheduleDetails,
  SchedulesPage,
  StorageEntry,
  StoragePage,
  StoredMessage,
  Unsubscribed,
  UnsubscribeInput,
} from './server-api-types';
import { failureOf, namedError, textOf, type HttpRequest } from './transport';

type Query = Readonly<Record<string, string | number | boolean | undefined>>;
/** An entry of a channel of the map, with the type of its key's values. */
type EntryOf<S, Channel extends string> = {
  [Key in keyof StorageOf<ShapeOf<S, Channel>> & string]: StorageEntry<Key, StorageOf<ShapeOf<S, Channel>>[Key]>;
}[keyof StorageOf<ShapeOf<S, Channel>> & string];

/** A message of a channel of the map, with the type of its event's payload. */
type MessageOf<S, Channel extends string> = {
  [Event in keyof EventsOf<ShapeOf<S, Channel>> & string]: StoredMessage<Event, EventsOf<ShapeOf<S, Channel>>[Event]>;
}[keyof EventsOf<ShapeOf<S, Channel>> & string];

/**
 * What a backend may ask of a Hearth installation, and tell it, besides publishing (publish-api §11, management-api). All
 * calls throw a `ConfigurationError` that names the option that is missing or wrong, and an `ApiError` with Hearth's code
 * when they are refused or not answered after all attempts. Keep one for the lifetime of the process.
 *
 * @typeParam S what is sent over which channel, as for `Publisher`
 */
export class ServerApi<S extends Shapes<S> = AnyShapes> {
  private readonly config: Config;
  private readonly requests = new Requests();
  private prepared?: { readonly base: string; readonly authorization: string };

  /** @param config read at the first call; later changes have no effect */
  constructor(config: Config | ConfigOptions) {
    this.config = config instanceof Config ? config : new Config(config);
  }

  /** How many subscriptions a channel has, and who is in it. One that nobody uses has none. */
  channel<Name extends ChannelName<S>>(name: Name): Promise<ChannelInfo<MemberOf<ShapeOf<S, Name>>>> {
    return this.call('GET', ['channels', name]);
  }

  /** Members of a presence channel, in the order of joining; none of any other channel. */
  async members<Name extends ChannelName<S>>(name: Name): Promise<Member<MemberOf<ShapeOf<S, Name>>>[]> {
    return (await this.channel(name)).members ?? [];
  }

  /**
   * Storage entries of a channel, by key.
   *
   * @param keys only these, 100 at most; those that do not exist are left out
   */
  storage<Name extends ChannelName<S>>(
    name: Name,
    keys?: readonly (keyof StorageOf<ShapeOf<S, Name>> & string)[],
  ): Listing<EntryOf<S, Name>, StoragePage<EntryOf<S, Name>>> {
    const path = ['channels', name, 'storage'];
    const load = async ({ after, limit }: PageOptions): Promise<StoragePage<EntryOf<S, Name>>> => {
      // An empty list of keys would be none, which means all.
      if (keys?.length === 0) return { items: [], next: null };
      if (keys?.some((key) => /^$|,/.test(key))) throw new ArgumentError('a key is not empty and has no comma');
      const query = { keys: keys?.join(','), after };
      const items = (await this.call<{ items: EntryOf<S, Name>[] }>('GET', path, query)).items.slice(0, limit);
      // A page may be short because its entries are large: only an empty one is known to be the last.
      return { items, next: keys === undefined ? (items.at(-1)?.key ?? null) : null };
    };
    return new Listing(load, ({ items }) => items);
  }

  /**
   * Stored messages of a channel, in the order in which they were delivered.
   *
   * @param reverse the newest first; `after` of a page is then the id before which it begins
   */
  messages<Name extends ChannelName<S>>(
    name: Name,
    { reverse = false }: { reverse?: boolean } = {},
  ): Listing<MessageOf<S, Name>, MessagesPage<MessageOf<S, Name>>> {
    const load = ({ after, limit }: PageOptions): Promise<MessagesPage<MessageOf<S, Name>>> =>
      this.call('GET', ['channels', name, 'messages'], { reverse, [reverse ? 'before' : 'after']: after, limit });
    return new Listing(load, ({ messages }) => messages);
  }

  /** Channels that somebody is subscribed to, by name. */
  channels(query: { prefix?: string } = {}): Listing<ChannelSummary, ChannelsPage> {
    return this.list(['channels'], { ...query }, ({ channels }) => channels);
  }

  /** Open connections, by id. Conditions add up. */
  connections(query: ConnectionQuery = {}): Listing<Connection, ConnectionsPage> {
    return this.list(['connections'], { ...query }, ({ connections }) => connections);
  }

  /** A connection and its subscriptions; `NOT_FOUND` when it is not open. */
  connection(id: string): Promise<ConnectionDetails> {
    return this.call('GET', ['connections', id]);
  }

  /** Closes one connection; `NOT_FOUND` when it is not open. */
  async closeConnection(id: string, options: { reason?: string } = {}): Promise<void> {
    await this.call('DELETE', ['connections', id], { ...options });
  }

  /** Closes connections. With `complete: true` all of them have been told, on every gateway. */
  disconnect(input: DisconnectInput): Promise<Disconnected> {
    return this.call('POST', ['disconnect'], {}, input);
  }

  /** Ends subscriptions of a user or connection to a channel. */
  unsubscribe(input: UnsubscribeInput<ChannelName<S>>): Promise<Unsubscribed> {
    return this.call('POST', ['unsubscribe'], {}, input);
  }

  /**
   * Takes tokens back: nobody connects with them any more, and whoever has is closed, on every gateway when the answer is
   * `complete: true`. The same target again is the same revocation.
   */
  revoke(input: RevokeInput): Promise<Revoked> {
    return this.call('POST', ['revocations'], {}, input);
  }

  /** What is revoked, by id. */
  revocations(query: { jti?: string; uid?: string; kid?: string } = {}): Listing<Revocation, RevocationsPage> {
    return this.list(['revocations'], { ...query }, ({ revocations }) => revocations);
  }

  /** `NOT_FOUND` when there is none, or its time is over. */
  revocation(id: string): Promise<Revocation> {
    return this.call('GET', ['revocations', id]);
  }

  /** Ends a revocation: tokens that have not ended by themselves are good again. */
  async unrevoke(id: string): Promise<void> {
    await this.call('DELETE', ['revocations', id]);
  }

  /** What waits for its time, by id. */
  schedules(query: { channel?: ChannelName<S> } = {}): Listing<Schedule, SchedulesPage> {
    return this.list(['schedules'], { ...query }, ({ schedules }) => schedules);
  }

  /** @param idOrArn of a schedule; `NOT_FOUND` once it has fired or was cancelled */
  schedule(idOrArn: string): Promise<ScheduleDetails> {
    return this.call('GET', ['schedules', idOrArn]);
  }

  /** Cancels a schedule: it does not fire any more. `NOT_FOUND` once it has. */
  async cancelSchedule(idOrArn: string): Promise<void> {
    await this.call('DELETE', ['schedules', idOrArn]);
  }

  private list<Item, OnePage extends { readonly next: string | null }>(
    path: readonly string[],
    query: Query,
    itemsOf: (page: OnePage) => readonly Item[],
  ): Listing<Item, OnePage> {
    return new Listing((options) => this.call<OnePage>('GET', path, { ...query, ...options }), itemsOf);
  }

  private async call<Result>(
    method: HttpRequest['method'],
    path: readonly string[],
    query: Query = {},
    body?: object,
  ): Promise<Result> {
    this.prepared ??= prepare(this.config);
    const { base, authorization } = this.prepared;
    const url = below(base, path.map((part) => `/${segment(part)}`).join(''));
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const sent = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
    const headers = { authorization, ...(sent === undefined ? {} : { 'content-type': 'application/json' }) };
    const outcome = await this.requests.send(limitsOf(this.config), async () => ({ url, method, headers, body: sent }));
    if (outcome.statusCode === undefined) {
      throw new ApiError(outcome.problem, { code: outcome.code }, { cause: outcome.cause });
    }
    if (outcome.statusCode === 204) return undefined as Result;
    const isRefused = outcome.statusCode < 200 || outcome.statusCode >= 300;
    try {
      if (!isRefused) return JSON.parse(textOf(outcome)) as Result;
    } catch {
      // Of something else than Hearth: it is told by what follows.
    }
    const otherwise = isRefused ? 'the request was refused' : 'the answer is no JSON: is this the address of Hearth?';
    const { problem, ...failure } = failureOf(outcome, namedError(outcome), otherwise);
    throw new ApiError(problem, failure);
  }
}

/** @throws ConfigurationError naming the option that is missing */
function prepare(config: Config) {
  checkOptionNames(config);
  const credential = optionOf(config, 'adminToken') ?? optionOf(config, 'httpApiKey');
  if (credential === undefined) throw new ConfigurationError('httpApiKey', 'is needed to call the API, or adminToken');
  return { base: baseUrl(config), authorization: bearer(credential) };
}

/** `httpApiUrl`, or what `publishHttpApiUrl` has before `/publish`. */
function baseUrl(config: Config): string {
  const base = optionOf(config, 'httpApiUrl');
  if (base !== undefined) return base;
  const [, before] = /^(.*)\/publish\/?$/.exec(optionOf(config, 'publishHttpApiUrl') ?? '') ?? [];
  if (before === undefined) throw new ConfigurationError('httpApiUrl', 'is needed to call the API');
  return before;
}

/** A name as one part of a path. @throws ArgumentError for one that a path cannot hold */
function segment(name: string): string {
  if (typeof name !== 'string' || ['', '.', '..'].includes(name)) throw new ArgumentError('this can be no name');
  try {
    return encodeURIComponent(name);
  } catch (cause) {
    throw new ArgumentError('a name must be well-formed Unicode', { cause });
  }
}
