import { ConnectionLog, Intent, messageKey, Sighting, SubscriptionLog } from './journal';

/**
 * Compares what publishers intended with what subscribers, the log table and the pages of history have, once everything
 * has healed. It knows nothing about how the system works: every number it gives is a broken promise to a user.
 *
 * - lost: accepted and nowhere; or missing in a subscription, the table or history although others have it.
 * - phantom: nobody published it, or its publisher was refused, or it is kept although nobody asked for that.
 * - duplicate: one message with two ids, twice on one connection, twice in history; a second one with a `deduplicationId`.
 * - repeated: again across a resume.
 * - inverted: against the order of ids, against the order in which publishers got their answers, or of one line.
 * - disagreeing: the same id stands for different things in different places.
 * - leaked: on a connection that was not subscribed, or to a sender who wanted no copy, or from before it subscribed.
 */
export interface Verdict {
  readonly lost: number;
  readonly phantom: number;
  readonly duplicate: number;
  readonly repeated: number;
  readonly inverted: number;
  readonly disagreeing: number;
  readonly leaked: number;
  /** The first of each kind, in words. */
  readonly examples: readonly string[];
}

export type Offence = Exclude<keyof Verdict, 'examples'>;

export interface Evidence {
  readonly intents: readonly Intent[];
  readonly connections: readonly ConnectionLog[];
  /** Rows of `message_log`, in any order. */
  readonly table: readonly Sighting[];
  /** Each a whole history, read page by page, oldest first. */
  readonly histories: readonly (readonly Sighting[])[];
  /** Id of each channel's last message to be judged: everybody was waited for until they had it. */
  readonly until: ReadonlyMap<string, string>;
}

const NO_COUNTS: Readonly<Record<Offence, number>> = {
  lost: 0,
  phantom: 0,
  duplicate: 0,
  repeated: 0,
  inverted: 0,
  disagreeing: 0,
  leaked: 0,
};
export const NO_OFFENCE: Verdict = { ...NO_COUNTS, examples: [] };

const EXAMPLES_PER_OFFENCE = 5;

/** @returns every count that must be 0 */
export function judge(evidence: Evidence): Verdict {
  return new Trial(evidence).verdict();
}

/** All messages of a channel that anybody has seen, in the order of their ids, which is the channel's one order. */
interface ChannelOrder {
  readonly entries: readonly { readonly id: string; readonly intent: Intent }[];
  readonly placeOf: ReadonlyMap<string, number>;
}

class Trial {
  private readonly counts = { ...NO_COUNTS };
  private readonly examples: string[] = [];
  private readonly intents = new Map<string, Intent>();
  /** By channel and id. */
  private readonly seen = new Map<string, Map<string, Sighting>>();
  private readonly idOf = new Map<string, string>();

  constructor(private readonly evidence: Evidence) {
    for (const intent of evidence.intents) this.intents.set(messageKey(intent.publisher, intent.n), intent);
  }

  verdict(): Verdict {
    this.takeEverythingSeen();
    const orders = new Map([...this.seen].map(([channel, records]) => [channel, this.orderOf(records)]));
    this.judgeIntents();
    for (const order of orders.values()) this.judgeOrder(order);
    const deliveredAt = firstDeliveries(this.evidence.connections);
    for (const connection of this.evidence.connections) this.judgeConnection(connection, orders, deliveredAt);
    this.judgeKept('the table', sorted(this.evidence.table), orders);
    this.evidence.histories.forEach((pages, index) => this.judgeKept(`history ${index + 1}`, pages, orders));
    return { ...this.counts, examples: this.examples };
  }

  private report(offence: Offence, what: string): void {
    this.counts[offence]++;
    if (this.counts[offence] <= EXAMPLES_PER_OFFENCE) this.examples.push(`${offence}: ${what}`);
  }

  private isJudged({ channel, id }: Sighting): boolean {
    const until = this.evidence.until.get(channel);
    return until === undefined || id <= until;
  }

  private takeEverythingSeen(): void {
    const { connections, table, histories } = this.evidence;
    for (const { label, arrivals } of connections) for (const arrival of arrivals) this.take(arrival, label);
    for (const row of table) this.take(row, 'the table');
    for (const pages of histories) for (const message of pages) this.take(message, 'history');
  }

  private take(record: Sighting, where: string): void {
    if (!this.isJudged(record)) return;
    const { channel, id, message, content } = record;
    const intent = this.intents.get(message);
    if (intent?.channel !== channel || intent.fate === 'refused') {
      const why =
        intent === undefined ? 'nobody published' : intent.fate === 'refused' ? 'was refused' : 'is no message of';
      return this.report('phantom', `${where} has ${message} in ${channel}, which ${why} (there)`);
    }
    const knownId = this.idOf.get(message);
    if (knownId === undefined) this.idOf.set(message, id);
    else if (knownId !== id) this.report('duplicate', `${where} has ${message} as ${id}, others as ${knownId}`);
    let records = this.seen.get(channel);
    if (records === undefined) this.seen.set(channel, (records = new Map()));
    const known = records.get(id);
    if (known === undefined) records.set(id, record);
    else if (known.message !== message || known.content !== content) {
      this.report(
        'disagreeing',
        `${id} is ${message} ${content} for ${where}, ${known.message} ${known.content} elsewhere`,
      );
    }
  }

  private orderOf(records: ReadonlyMap<string, Sighting>): ChannelOrder {
    const entries = sorted([...records.values()]).flatMap(({ id, message }) => {
      const intent = this.intents.get(message);
      return intent === undefined ? [] : [{ id, intent }];
    });
    return { entries, placeOf: new Map(entries.map(({ id }, place) => [id, place])) };
  }

  /** Accepted messages must exist, once per `deduplicationId`. */
  private judgeIntents(): void {
    const groups = new Map<string, Intent[]>();
    for (const [key, intent] of this.intents) {
      const group = intent.deduplicationId === undefined ? `message ${key}` : `id ${intent.deduplicationId}`;
      const others = groups.get(group);
      if (others === undefined) groups.set(group, [intent]);
      else others.push(intent);
    }
    for (const [group, members] of groups) {
      const delivered = members.filter(({ publisher, n }) => this.idOf.has(messageKey(publisher, n)));
      if (delivered.length === 0 && members.some(({ fate, mayGoUnseen }) => fate === 'acked' && mayGoUnseen !== true)) {
        this.report('lost', `${group} was accepted (${members[0]?.channel}) and nobody has it`);
      }
      for (const extra of delivered.slice(1)) {
        this.report('duplicate', `${messageKey(extra.publisher, extra.n)} is a further message with ${group}`);
      }
    }
  }

  /** Whoever was answered before another began comes before it; so does what went down the same line earlier. */
  private judgeOrder({ entries }: ChannelOrder): void {
    let latestIntent = 0;
    const lastOfLine = new Map<string, number>();
    for (const { id, intent } of entries) {
      const name = () => `${messageKey(intent.publisher, intent.n)} (${id})`;
      // Its place is that of the moment it is due.
      if (intent.dueMs !== undefined) continue;
      if (latestIntent > intent.ackedAt) this.report('inverted', `${name()} comes after one that was published later`);
      latestIntent = Math.max(latestIntent, intent.intendedAt);
      if (intent.line === undefined) continue;
      const before = lastOfLine.get(intent.line);
      if (before !== undefined && before > intent.n)
        this.report('inverted', `${name()} comes after number ${before} of its line`);
      lastOfLine.set(intent.line, intent.n);
    }
  }

  private judgeConnection(
    connection: ConnectionLog,
    orders: ReadonlyMap<string, ChannelOrder>,
    deliveredAt: ReadonlyMap<string, number>,
  ): void {
    const received = new Map<SubscriptionLog, string[]>(connection.subscriptions.map((one) => [one, []]));
    const lastId = new Map<string, string>();
    const ids = new Set<string>();
    for (const arrival of connection.arrivals) {
      const { channel, id, message, at } = arrival;
      if (!this.isJudged(arrival)) continue;
      // Written out only where something is wrong: there are hundreds of thousands of arrivals.
      const where = () => `${connection.label} got ${message} (${id}) of ${channel}`;
      if (ids.has(id)) this.report('duplicate', `${where()} twice`);
      ids.add(id);
      const before = lastId.get(channel);
      if (before !== undefined && before > id) this.report('inverted', `${where()} after ${before}`);
      lastId.set(channel, id);
      if (this.intents.get(message)?.exceptConnection === connection.label)
        this.report('leaked', `${where()}, its own`);
      const subscription = connection.subscriptions.find(
        (one) => one.channel === channel && one.confirmedAt < at && at < one.endedAt,
      );
      if (subscription === undefined) {
        this.report('leaked', `${where()} without a subscription`);
        continue;
      }
      received.get(subscription)?.push(id);
      const { askedAt, resume } = subscription;
      if (resume?.seen !== undefined && id <= resume.seen) {
        this.report('repeated', `${where()}, seen before its resume`);
      }
      if (
        resume?.after === undefined &&
        (deliveredAt.get(deliveryKey(connection, id)) ?? at) < (resume?.visibleSince ?? askedAt)
      ) {
        this.report('leaked', `${where()}, which its gateway had delivered before it asked for anything`);
      }
    }
    for (const [subscription, got] of received) {
      const order = orders.get(subscription.channel);
      if (order !== undefined) this.judgeSubscription(connection.label, subscription, got, order);
    }
  }

  /** A subscription gets an unbroken piece of its channel that holds all that was published while it lasted. */
  private judgeSubscription(label: string, subscription: SubscriptionLog, got: string[], order: ChannelOrder): void {
    const { entries, placeOf } = order;
    const places = new Set(got.flatMap((id) => placeOf.get(id) ?? []));
    const { resume, holes } = subscription;
    const begins = resume?.complete === true ? resume.since : subscription.confirmedAt;
    const firstDue = entries.findIndex(({ id, intent }) =>
      resume?.complete === true && resume.after !== undefined ? id > resume.after : intent.intendedAt > begins,
    );
    const due = firstDue < 0 ? entries.length : firstDue;
    // An incomplete resume may bring some of what came before, with gaps.
    const from = resume?.complete === false ? due : Math.min(due, ...least(places));
    const to = subscription.endedAt === Infinity ? entries.length - 1 : greatest(places);
    for (let place = from; place <= to; place++) {
      const entry = entries[place];
      if (entry === undefined || places.has(place) || entry.intent.exceptConnection === label) continue;
      // What is stored comes even so.
      const isTold = holes.some(({ after, before = '~' }) => after < entry.id && entry.id < before);
      if (isTold && !entry.intent.isKept) continue;
      // Its own without `echo`, from a connection before this one, does not come again (resume §3).
      if (resume !== undefined && clientOf(entry.intent.exceptConnection) === clientOf(label)) continue;
      const name = messageKey(entry.intent.publisher, entry.intent.n);
      this.report('lost', `${label} did not get ${name} (${entry.id}) of ${subscription.channel}`);
    }
  }

  /** What is kept must be all that was to be kept, in the same order, and nothing else. */
  private judgeKept(where: string, records: readonly Sighting[], orders: ReadonlyMap<string, ChannelOrder>): void {
    const has = new Set<string>();
    const lastId = new Map<string, string>();
    for (const record of records) {
      const { channel, id, message } = record;
      if (!this.isJudged(record)) continue;
      if (has.has(`${channel} ${id}`)) this.report('duplicate', `${where} has ${message} (${id}) twice`);
      has.add(`${channel} ${id}`);
      const before = lastId.get(channel);
      if (before !== undefined && before > id)
        this.report('inverted', `${where} has ${message} (${id}) after ${before}`);
      lastId.set(channel, id);
      if (this.intents.get(message)?.isKept === false)
        this.report('phantom', `${where} keeps ${message} for no reason`);
    }
    for (const [channel, { entries }] of orders) {
      for (const { id, intent } of entries) {
        if (!intent.isKept || has.has(`${channel} ${id}`)) continue;
        this.report('lost', `${where} lacks ${messageKey(intent.publisher, intent.n)} (${id}) of ${channel}`);
      }
    }
  }
}

/** Whose connection a label is of. */
const clientOf = (label: string | undefined): string | undefined => label?.split('#')[0];

const deliveryKey = ({ gateway }: ConnectionLog, id: string): string => `${gateway} ${id}`;

/** When each gateway first delivered each message to anybody. */
function firstDeliveries(connections: readonly ConnectionLog[]): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const connection of connections) {
    for (const { id, at } of connection.arrivals) {
      const key = deliveryKey(connection, id);
      first.set(key, Math.min(at, first.get(key) ?? Infinity));
    }
  }
  return first;
}

function sorted(records: readonly Sighting[]): Sighting[] {
  return [...records].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function least(places: ReadonlySet<number>): number[] {
  let smallest = Infinity;
  for (const place of places) smallest = Math.min(smallest, place);
  return smallest === Infinity ? [] : [smallest];
}

function greatest(places: ReadonlySet<number>): number {
  let largest = -1;
  for (const place of places) largest = Math.max(largest, place);
  return largest;
}
