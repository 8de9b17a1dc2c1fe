import { setTimeout as delay } from 'node:timers/promises';
import { eventually, LONGEST_WAIT_MS } from '../support/eventually';
import { Cluster } from './cluster';
import { Intent, Journal, messageKey } from './journal';
import { readHistory, readTable } from './kept';
import { Evidence } from './oracle';
import { documentOf, HttpPublisher, post, SocketPublisher } from './publishers';
import { Subscriber } from './subscriber';

export interface LoadOptions {
  /** Tells the loads of one cluster apart. */
  readonly name: string;
  readonly channels: readonly string[];
  /** Decides when restless subscribers leave: the same seed, the same choices. */
  readonly seed?: number;
  /** Pause of each publisher after each message, ms. */
  readonly paceMs?: number;
}

const HEALS_WITHIN_MS = LONGEST_WAIT_MS;

/**
 * Publishers by every route and subscribers of every kind on a cluster, and everything they saw.
 *
 * Two steady subscribers, one per gateway, are disconnected only when their gateway dies; two restless ones break their
 * connection by themselves again and again. One of these begins anew each time, the others resume. Four publishers use HTTP, one of them in batches, two their sockets.
 */
export class Load {
  readonly journal = new Journal();
  /** One per gateway, connected first to the gateway of the same index. */
  readonly steady: readonly Subscriber[];
  private readonly restless: readonly Subscriber[];
  private readonly httpPublishers: readonly HttpPublisher[];
  readonly socketPublishers: readonly SocketPublisher[];
  private readonly channels: readonly string[];
  private markers = 0;
  private isAbandoned = false;

  constructor(
    private readonly cluster: Cluster,
    readonly options: LoadOptions,
  ) {
    const { seed = 1, paceMs = 8 } = options;
    const channels = options.channels.map((channel) => `${options.name}.${channel}`);
    this.channels = channels;
    const random = generator(seed);
    const client = (name: string, first: number) => ({
      name: `${options.name} ${name}`,
      channels,
      token: cluster.token(name),
      gateways: [...cluster.gatewayUrls.slice(first), ...cluster.gatewayUrls.slice(0, first)],
    });
    const leavesAfter = () => 50 + Math.floor(random() * 500);
    this.steady = [0, 1].map(
      (gateway) => new Subscriber(this.journal, { ...client(`steady-${gateway}`, gateway), resumes: true }),
    );
    this.restless = [0, 1].map(
      (gateway) =>
        new Subscriber(this.journal, {
          ...client(`restless-${gateway}`, gateway),
          leavesAfter,
          resumes: gateway === 0,
        }),
    );
    this.socketPublishers = [0, 1].map(
      (gateway) => new SocketPublisher(this.journal, client(`socket-${gateway}`, gateway), paceMs),
    );
    this.httpPublishers = [1, 1, 1, 10].map(
      (batch, index) =>
        new HttpPublisher(
          this.journal,
          {
            name: `${options.name} http-${index}`,
            nodes: cluster.publishUrls,
            apiKey: cluster.apiKey,
            channels,
            paceMs: paceMs * batch,
          },
          batch,
        ),
    );
  }

  private get clients(): readonly Subscriber[] {
    return [...this.steady, ...this.restless, ...this.socketPublishers];
  }

  /** Begins once everybody is subscribed. */
  async start(): Promise<void> {
    for (const client of this.clients) client.start();
    await this.everybodySubscribed();
    for (const publisher of this.httpPublishers) publisher.start();
  }

  /** Waits until every publisher got `messages` further ones accepted. */
  async progress(messages: number, withinMs = HEALS_WITHIN_MS): Promise<void> {
    const publishers = [...this.httpPublishers, ...this.socketPublishers];
    const goals = publishers.map((publisher) => publisher.acked + messages);
    await eventually(() => {
      const late = publishers.filter(({ acked }, index) => acked < (goals[index] ?? 0));
      if (late.length > 0) throw new Error(`do not get on: ${late.map(({ name }) => name).join(', ')}`);
    }, withinMs);
  }

  /** Waits until whoever stays connected has one more message of every channel, and all others are subscribed again. */
  async heal(): Promise<void> {
    await Promise.all([this.reach([...this.steady, ...this.socketPublishers]), this.everybodySubscribed()]);
  }

  /** Resumes that said they could not be sure: a true answer (R5), so it is told, not judged; what is hidden is judged. */
  get incompleteResumes(): number {
    return this.clients.reduce((sum, client) => sum + client.incompleteResumes, 0);
  }

  /** Breaks the connections of the restless clients now; they come back by themselves. */
  shake(): void {
    for (const client of this.restless) client.drop();
  }

  /** Answers of the HTTP publishers other than 202, by status. */
  get refusals(): ReadonlyMap<number, number> {
    const all = new Map<number, number>();
    for (const { refusals } of this.httpPublishers) {
      for (const [status, count] of refusals) all.set(status, (all.get(status) ?? 0) + count);
    }
    return all;
  }

  /** Ends the load, waits until the last message of every channel is everywhere, and gathers what there is to compare. */
  async finish(): Promise<Evidence> {
    await Promise.all([
      ...this.httpPublishers.map((publisher) => publisher.stop()),
      ...this.socketPublishers.map((publisher) => publisher.fallSilent()),
    ]);
    for (const client of this.clients) client.settleDown();
    await this.everybodySubscribed();
    const until = await this.everybodyUpToDate();
    const table = await readTable(this.cluster, this.channels);
    const { channels } = this;
    const histories = [
      await readHistory(this.cluster, 0, channels, false),
      await readHistory(this.cluster, 1, channels, true),
    ];
    for (const client of this.clients) client.stop();
    const { intents, connections } = this.journal;
    return { intents, connections, table, histories, until };
  }

  /** Ends everything at once, whatever its state: for after the test, which may have failed. */
  abandon(): void {
    this.isAbandoned = true;
    for (const client of this.clients) client.stop();
    for (const publisher of this.httpPublishers) publisher.abandon();
    for (const publisher of this.socketPublishers) void publisher.fallSilent();
  }

  /** What was compared, in one line. */
  summary(): string {
    const { journal } = this;
    const deliveries = journal.connections.reduce((sum, { arrivals }) => sum + arrivals.length, 0);
    return (
      `${this.options.name}: ${journal.count('acked')} acked, ${journal.count('refused')} refused, ${journal.count('unknown')} unknown, ` +
      `${deliveries} deliveries on ${journal.connections.length} connections, ${this.incompleteResumes} resumes not sure\n`
    );
  }

  private async everybodySubscribed(): Promise<void> {
    await eventually(() => {
      const missing = this.clients.filter(({ isComplete }) => !isComplete);
      if (missing.length > 0) throw new Error(`not subscribed: ${missing.map(({ name }) => name).join(', ')}`);
    }, HEALS_WITHIN_MS);
  }

  /** A last message for every channel: who has it has got everything before, or never will. */
  private async everybodyUpToDate(): Promise<ReadonlyMap<string, string>> {
    const keys = await this.reach(this.clients);
    const rows = await readTable(this.cluster, this.channels);
    return new Map(rows.filter(({ message }) => keys.includes(message)).map(({ channel, id }) => [channel, id]));
  }

  /** Publishes one more message into every channel and waits until the clients have all of them. @returns their keys */
  private async reach(clients: readonly Subscriber[]): Promise<readonly string[]> {
    const markers = this.channels.map((channel) => {
      const n = this.markers++;
      return this.journal.intend({
        publisher: `${this.options.name} end`,
        n,
        channel,
        isKept: true,
        deduplicationId: `${channel} ${n}`,
      });
    });
    await Promise.all(markers.map((marker) => this.publishSurely(marker)));
    const keys = markers.map(({ publisher, n }) => messageKey(publisher, n));
    await eventually(() => {
      const late = clients.filter((client) => !keys.every((key) => client.hasGot(key)));
      if (late.length > 0) throw new Error(`not up to date: ${late.map(({ name }) => name).join(', ')}`);
    }, HEALS_WITHIN_MS);
    return keys;
  }

  private async publishSurely(intent: Intent): Promise<void> {
    const { publishUrls, apiKey } = this.cluster;
    for (let attempt = 0; !this.isAbandoned; attempt++) {
      const answer = await post(
        publishUrls[attempt % publishUrls.length] ?? '',
        apiKey,
        '/publish',
        documentOf(intent),
      );
      if (typeof answer === 'object' && answer.status === 202) return this.journal.settle(intent, 'acked');
      await delay(50);
    }
  }
}

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
