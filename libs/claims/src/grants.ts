import type { Identity } from '@hearth/protocol';
import type { ChannelEntry, MessageEntry, StorageEntry } from './channel-claims';
import type { Claims } from './claims';
import type { WorkWatch } from './token-work';
import { isLongerStore, type Match, matchingChannels, matchingInner, resolveBoolean, resolveNumber } from './resolve';

export type PublishDecision = 'allow' | 'NOT_SUBSCRIBED' | 'PUBLISH_PERMISSION_DENIED';

/** What the claims say about a message that may be published (tokens-and-claims §4.3). */
export type MessageDirectives = MessageGrants['directives'];

/** What the claims allow with one storage key (tokens-and-claims §4.4). */
export type StorageDirectives = Readonly<ReturnType<typeof resolveStorage>>;

/** Allowed reaction values: none, all, or those listed. */
export type ReactGrant = boolean | ReadonlySet<string>;

/** Matching entries of both tokens; `all` is one set for booleans, the others keep the subscribe token's precedence. */
interface Matches<T> {
  readonly connect: readonly Match<T>[];
  readonly subscribe: readonly Match<T>[];
  readonly all: readonly Match<T>[];
}

type MessageGrants = Readonly<ReturnType<typeof resolveMessage>>;

/** What was decided of a channel; most subscribers ask for nothing of what it holds. */
interface ChannelGrants {
  readonly matches: Matches<ChannelEntry>;
  messages: Map<string, MessageGrants> | undefined;
  storage: Map<string, StorageDirectives> | undefined;
}

const NO_MATCHES: readonly Match<never>[] = [];

/**
 * Decisions remembered by one `Grants`, over all channels, events and keys; then it forgets all and starts over. A client
 * chooses the names it asks about, so without a bound it could fill the memory; a normal one uses a handful.
 */
const MAX_REMEMBERED = 256;

/**
 * What a connection may do (tokens-and-claims §5).
 *
 * `new Grants(connect)` answers for every channel. `new Grants(connect, subscribe)` answers for the one channel of the
 * subscription that was made with the subscribe token, while it lasts, and for the request to make it. For a umd token,
 * `new Grants(umdToken)` answers `umdUpdate`.
 *
 * Channel names are real names (`resolveChannel` comes first); all names have passed their syntax check. Every answer
 * costs the matching of all patterns once; asked again it is two map look-ups, which is what a publish pays.
 */
export class Grants {
  private readonly channels = new Map<string, ChannelGrants>();
  private remembered = 0;

  /** @param watch of a connection */
  constructor(
    private readonly connect: Claims,
    private readonly subscribe?: Claims,
    private readonly watch?: WorkWatch,
  ) {}

  /**
   * Whether a subscription is granted, by `subscribe` or by the connect token's `autoSubscribe` (§4.2), which holds for
   * explicit requests too.
   */
  canSubscribe(channel: string): boolean {
    const subscribe = this.channelBoolean(channel, (entry) => entry.subscribe);
    return subscribe ?? this.connect.channels.exact.get(channel)?.autoSubscribe === true;
  }

  /** The decision table of §5.4. */
  publishDecision(channel: string, event: string, subscribed: boolean): PublishDecision {
    const { publish, broadcast } = this.message(channel, event);
    if (publish === false) return 'PUBLISH_PERMISSION_DENIED';
    if (broadcast === true || (publish === true && subscribed)) return 'allow';
    return publish === true ? 'NOT_SUBSCRIBED' : 'PUBLISH_PERMISSION_DENIED';
  }

  /** Matter only where `publishDecision` allows. */
  messageDirectives(channel: string, event: string): MessageDirectives {
    return this.message(channel, event).directives;
  }

  /** Reactions granted on messages with that event. */
  react(channel: string, targetEvent: string): ReactGrant {
    return this.message(channel, targetEvent).react;
  }

  /** Oldest visible instant in Unix seconds, inclusive; `undefined` when the claims set none. */
  historyStart(channel: string): number | undefined {
    return resolvePair(
      this.channel(channel).matches,
      (entry) => entry.historyStart,
      (a, b) => a < b,
    );
  }

  omitFromSubCount(channel: string): boolean {
    return this.channelBoolean(channel, (entry) => entry.omitFromSubCount) === true;
  }

  getInfo(channel: string): boolean {
    return this.channelBoolean(channel, (entry) => entry.getInfo) === true;
  }

  /** The channel directive, of a umd token; not the top-level claim. */
  umdUpdate(channel: string): boolean {
    return this.channelBoolean(channel, (entry) => entry.umdUpdate) === true;
  }

  storage(channel: string, key: string): StorageDirectives {
    const grants = this.channel(channel);
    const known = grants.storage?.get(key);
    if (known !== undefined) return known;
    const resolved = resolveStorage(this.timed(() => innerMatches(grants.matches, (entry) => entry.storage, key)));
    (grants.storage ??= new Map()).set(key, resolved);
    this.remembered++;
    return resolved;
  }

  /** Whether there may be keys of the channel that are observable; `storage` decides about each. */
  mayObserveStorage(channel: string): boolean {
    return this.channel(channel).matches.all.some(({ entry: { storage } }) =>
      [...storage.exact.values(), ...storage.patterns.map(({ entry }) => entry)].some(({ observe }) => observe),
    );
  }

  /** All keys of the channel that may be read; `undefined` when patterns decide, so that they cannot be listed. */
  readableStorageKeys(channel: string): readonly string[] | undefined {
    const tables = this.channel(channel).matches.all.map(({ entry }) => entry.storage);
    if (tables.some(({ patterns }) => patterns.some(({ entry }) => entry.get))) return undefined;
    const keys = new Set(tables.flatMap(({ exact }) => [...exact.keys()]));
    return [...keys].filter((key) => this.storage(channel, key).get);
  }

  private timed<T>(match: () => T): T {
    if (this.watch === undefined) return match();
    const startMs = performance.now();
    const matches = match();
    this.watch.worked(performance.now() - startMs);
    return matches;
  }

  private channelBoolean(channel: string, read: (entry: ChannelEntry) => boolean | undefined): boolean | undefined {
    return resolveBoolean(this.channel(channel).matches.all, read);
  }

  private message(channel: string, event: string): MessageGrants {
    const grants = this.channel(channel);
    const known = grants.messages?.get(event);
    if (known !== undefined) return known;
    const resolved = resolveMessage(this.timed(() => innerMatches(grants.matches, (entry) => entry.messages, event)));
    (grants.messages ??= new Map()).set(event, resolved);
    this.remembered++;
    return resolved;
  }

  private channel(channel: string): ChannelGrants {
    if (this.remembered >= MAX_REMEMBERED) {
      this.channels.clear();
      this.remembered = 0;
    }
    const known = this.channels.get(channel);
    if (known !== undefined) return known;
    const matches = this.timed(() => {
      const { connect, subscribe } = this;
      const own = subscribe === undefined ? NO_MATCHES : matchingChannels(subscribe, channel);
      return pair(matchingChannels(connect, channel), own);
    });
    const grants: ChannelGrants = { matches, messages: undefined, storage: undefined };
    this.channels.set(channel, grants);
    this.remembered++;
    return grants;
  }
}

function pair<T>(connect: readonly Match<T>[], subscribe: readonly Match<T>[]): Matches<T> {
  return { connect, subscribe, all: subscribe.length === 0 ? connect : [...connect, ...subscribe] };
}

function innerMatches<T>(
  channels: Matches<ChannelEntry>,
  table: Parameters<typeof matchingInner<T>>[1],
  name: string,
): Matches<T> {
  return pair(matchingInner(channels.connect, table, name), matchingInner(channels.subscribe, table, name));
}

/** §5.3: a value that the subscribe token defines wins over any of the connect token. */
function resolvePair<T>(
  matches: Matches<T>,
  read: (entry: T) => number | undefined,
  isMorePermissive: (a: number, b: number) => boolean,
): number | undefined {
  return (
    resolveNumber(matches.subscribe, read, isMorePermissive) ?? resolveNumber(matches.connect, read, isMorePermissive)
  );
}

function resolveMessage(matches: Matches<MessageEntry>) {
  return {
    publish: resolveBoolean(matches.all, (entry) => entry.publish),
    // Needs no subscription, so no subscribe token can speak for it (§4.3).
    broadcast: resolveBoolean(matches.connect, (entry) => entry.broadcast),
    directives: {
      /** Whether the sending connection gets a copy. */
      echo: resolveBoolean(matches.all, (entry) => entry.echo) === true,
      emitPubSubEvent: resolveBoolean(matches.all, (entry) => entry.emitPubSubEvent) === true,
      /** Seconds; 0 is not stored, -1 is for ever. */
      store: resolvePair(matches, (entry) => entry.store, isLongerStore) ?? 0,
      /** Latest allowed delivery instant in Unix seconds, inclusive; absent allows no scheduling. */
      scheduleBefore: resolvePair(
        matches,
        (entry) => entry.scheduleBefore,
        (a, b) => a > b,
      ),
    },
    react: resolveReact(matches),
  };
}

function resolveStorage(matches: Matches<StorageEntry>) {
  return {
    /** Only while subscribed. */
    observe: resolveBoolean(matches.all, (entry) => entry.observe) === true,
    get: resolveBoolean(matches.all, (entry) => entry.get) === true,
    set: resolveBoolean(matches.all, (entry) => entry.set) === true,
    emitPubSubEvent: resolveBoolean(matches.all, (entry) => entry.emitPubSubEvent) === true,
    /** Seconds; -1 is for ever. */
    store: resolvePair(matches, (entry) => entry.store, isLongerStore) ?? -1,
    /** As with messages. */
    scheduleBefore: resolvePair(
      matches,
      (entry) => entry.scheduleBefore,
      (a, b) => a > b,
    ),
  };
}

/** §5.2: an explicit `false` in either token denies; else the subscribe token's value, else the connect token's. */
function resolveReact({ all, subscribe, connect }: Matches<MessageEntry>): ReactGrant {
  if (all.some(({ entry }) => entry.react === false)) return false;
  return allowedReactions(subscribe) ?? allowedReactions(connect) ?? false;
}

/** Any `true` allows every value, arrays are united. */
function allowedReactions(matches: readonly Match<MessageEntry>[]): ReactGrant | undefined {
  const values = matches.flatMap(({ entry }) => (entry.react === undefined ? [] : [entry.react]));
  if (values.length === 0) return undefined;
  if (values.includes(true)) return true;
  return new Set(values.flatMap((value) => (typeof value === 'boolean' ? [] : value)));
}

/**
 * `uid` and `umd` of a new subscription (tokens-and-claims §5.5): the subscribe token's where it has them, else the
 * connection's current ones.
 */
export function subscriptionIdentity(connection: Identity, subscribe?: Claims): Identity {
  return {
    uid: subscribe?.uid ?? connection.uid,
    umdJson: subscribe?.hasUmd === true ? subscribe.umdJson : connection.umdJson,
  };
}
