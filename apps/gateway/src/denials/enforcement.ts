import { setImmediate as turn } from 'node:timers/promises';
import type { Claims } from '@hearth/claims';
import type { AnswerOf, Ask } from '@hearth/stream';
import { installationNow } from '@hearth/timing';
import { type Denial, type Farewell, isOrder } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { ConnectionRegistry, type OpenConnection } from '../connection/connection-registry';
import type { Subscription } from '../connection/subscription';
import { type DeniableConnection, DenialList } from './denial-list';
import { Denials, goodbye, type News } from './denials';

/** Connections that one request closes, well within its second; whoever asks, asks again for the rest. */
const CLOSED_AT_ONCE = 100;
/** Connections that are looked at, or closed, before something else has a turn. */
const SEEN_IN_A_TURN = 10_000;
const CLOSED_IN_A_TURN = 25;
/** Versions of denials that were read before somebody told of them, which takes a moment only. */
const MAX_READ = 100;

type Counts = Pick<AnswerOf<'deny'>, 'disconnected' | 'unsubscribed' | 'tokensEndMs'>;

/** What connections are compared with. */
interface Order {
  readonly list: DenialList;
  /** The instant for which the list is asked. */
  readonly nowMs: number;
  /** Channels in which subscriptions are refused; `undefined`: it may be any. */
  readonly channels: ReadonlySet<string> | undefined;
  /** How tokens of those who are sent away are refused, and for how long; `undefined`: they are not. */
  readonly refusal: { readonly endsInMs: number; readonly farewell: Farewell } | undefined;
  /** An order that comes late is about those only who were subscribed by then, ms since 1970. */
  readonly byMs: number;
}

/** Ends what is open on this gateway and is denied (management-api §3, §4). */
@Injectable()
export class Enforcement {
  /** What came of denials that were read before they were told, by their version: whoever tells them wants to know. */
  private readonly read = new Map<number, Counts>();
  /** One after the other, so that each knows what the one before has done. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly denials: Denials,
    private readonly registry: ConnectionRegistry,
  ) {
    denials.onNews((news) => this.inTurn(() => this.enforceRead(news)));
  }

  /** Does what a node of the management API says, which says it again when very many are to be sent away. */
  deny({ version = 0, denials }: Ask<'deny'>): Promise<AnswerOf<'deny'>> {
    this.denials.take(denials, version);
    return this.inTurn(async () => {
      const before = this.read.get(version);
      this.read.delete(version);
      const enforced = await this.enforce(orderOf(denials, Infinity));
      return before === undefined ? enforced : { ...enforced, ...sumOf(before, enforced) };
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work, work);
    this.last = done;
    return done;
  }

  private async enforceRead(news: News | undefined): Promise<void> {
    const everything = { list: this.denials.all, nowMs: installationNow(), channels: undefined, refusal: undefined };
    const order =
      news === undefined ? { ...everything, byMs: Infinity } : orderOf(news.denials, news.denials[0]?.sinceMs ?? 0);
    let counts: Counts = { disconnected: 0, unsubscribed: 0 };
    for (let more = true; more;) {
      const enforced = await this.enforce(order);
      counts = sumOf(counts, enforced);
      ({ more } = enforced);
    }
    if (news === undefined) return;
    this.read.set(news.version, counts);
    const [oldest] = this.read.keys();
    if (this.read.size > MAX_READ && oldest !== undefined) this.read.delete(oldest);
  }

  private async enforce(order: Order): Promise<AnswerOf<'deny'>> {
    const { list, nowMs, refusal, byMs } = order;
    const tokens = new Set<string>();
    let [seen, disconnected, unsubscribed, more] = [0, 0, 0, false];
    let tokensEndMs: number | undefined;
    const sawEnd = (token: Claims): void => {
      const endMs = list.isRevoked(token, nowMs) ? this.denials.endOf(token) : undefined;
      if (endMs !== undefined) tokensEndMs = Math.max(tokensEndMs ?? 0, endMs);
    };
    for (const connection of this.registry.all()) {
      if (++seen % SEEN_IN_A_TURN === 0) await turn();
      const farewell = list.farewellTo(byMs === Infinity ? connection : asOf(connection, byMs), nowMs);
      if (farewell === undefined) {
        unsubscribed += unsubscribe(connection, order, sawEnd);
        continue;
      }
      more = disconnected === CLOSED_AT_ONCE;
      if (more) break;
      if (++disconnected % CLOSED_IN_A_TURN === 0) await turn();
      const { tokenDigest } = connection;
      // Here at once; elsewhere when whoever asks has said so, or when it is read.
      if (refusal !== undefined) {
        this.denials.refuseToken(tokenDigest, refusal.endsInMs, refusal.farewell);
        tokens.add(tokenDigest);
      }
      const { code, reason, error } = goodbye(farewell);
      sawEnd(connection.connect);
      connection.close(code, reason, error);
    }
    const refusedUntilMs =
      refusal && (await this.denials.keepRefusals([...tokens], refusal.endsInMs, refusal.farewell));
    return { disconnected, unsubscribed, tokens: [...tokens], refusedUntilMs, tokensEndMs, more };
  }
}

function sumOf(one: Counts, other: Counts): Counts {
  return {
    disconnected: one.disconnected + other.disconnected,
    unsubscribed: one.unsubscribed + other.unsubscribed,
    tokensEndMs: Math.max(one.tokensEndMs ?? 0, other.tokensEndMs ?? 0) || undefined,
  };
}

/**
 * A refusal that is over, or lasts no time, sends those away who are here; an order that is over has nothing more to say.
 *
 * @param byMs of the order that is among them
 */
function orderOf(news: readonly Denial[], byMs: number): Order {
  const list = new DenialList();
  const channels = new Set<string>();
  let refusal: Order['refusal'];
  for (const denial of news) {
    list.put(denial, Infinity);
    const { kind, names, endsInMs, farewell } = denial;
    if (kind === 'refusedSubscriber' || kind === 'refusedSubscription') channels.add(names[0]);
    if (isOrder(denial) && endsInMs !== null && endsInMs > 0) {
      refusal = { endsInMs, farewell: { ...farewell, except: [] } };
    }
  }
  return { list, nowMs: 0, channels, refusal, byMs: news.some(isOrder) ? byMs : Infinity };
}

/** A connection as it was. */
function asOf(connection: OpenConnection, byMs: number): DeniableConnection {
  const { id, connect } = connection;
  const isSubscribed = (channel: string): boolean =>
    (connection.subscription(channel)?.subscribedAtMs ?? Infinity) <= byMs;
  return { id, connect, isSubscribed };
}

/** @returns how many subscriptions have been ended */
function unsubscribe(
  connection: OpenConnection,
  { list, nowMs, channels }: Order,
  revoked: (token: Claims) => void,
): number {
  let ended = 0;
  for (const subscription of concerned(connection, channels)) {
    const { channel, identity, token } = subscription;
    const isRevoked = token !== undefined && list.isRevoked(token, nowMs);
    const uids = [connection.identity.uid, identity.uid];
    if (!isRevoked && !list.refusesSubscription(channel.name, connection.id, uids, nowMs)) continue;
    if (isRevoked) revoked(token);
    connection.endSubscription(subscription);
    ended++;
  }
  return ended;
}

function concerned(connection: OpenConnection, channels: ReadonlySet<string> | undefined): readonly Subscription[] {
  const { subscriptionsCount } = connection;
  const isAny = channels === undefined || channels.size >= subscriptionsCount || connection.hasSubscribeTokens;
  if (isAny) return connection.allSubscriptions;
  return [...channels].flatMap((channel) => connection.subscription(channel) ?? []);
}
