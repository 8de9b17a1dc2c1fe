import { setTimeout as delay } from 'node:timers/promises';
import { eventually, LONGEST_WAIT_MS } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { openSocket } from './client-socket';
import { Cluster, onlyOnce } from './cluster';
import { Intruder } from './intruder';
import { Intent, Journal, messageKey } from './journal';
import { readHistory, readTable } from './kept';
import { Evidence } from './oracle';
import { documentOf, HttpPublisher, post, SocketPublisher } from './publishers';
import { generator } from './random';
import { StorageLoad } from './storage-load';
import { Subscriber } from './subscriber';

export interface LoadOptions {
  /** Tells the loads of one cluster apart. */
  readonly name: string;
  readonly channels: readonly string[];
  /** Decides when restless subscribers leave: the same seed, the same choices. */
  readonly seed?: number;
  /** Pause of each publisher after each message, ms. */
  readonly paceMs?: number;
  /** Adds a presence channel, Socket.IO clients, publishers as AWS SDKs are, twins, schedules, storage, and an intruder. */
  readonly isVaried?: boolean;
}

/** A channel that is only there in a varied load. */
const PRESENCE = 'members';
/** Of the messages that are published by HTTP in a varied load, one of so many has an event for backends. */
const EVENT_EVERY = 6;
const AHEAD_MS = [1_000, 5_000] as const;
/** Connections of a storm, for each gateway: the list of members that each is told grows with every one. */
const STORM = 60;
const STORM_MS = 1_000;

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
  readonly socketPublishers: readonly SocketPublisher[];
  /** What it waited for in vain, in words: a cluster that does not heal. */
  readonly stuck: string[] = [];
  readonly intruder: Intruder | undefined;
  readonly storage: StorageLoad | undefined;
  readonly channels: readonly string[];
  private readonly restless: readonly Subscriber[];
  private readonly httpPublishers: readonly HttpPublisher[];
  private markers = 0;
  private isAbandoned = false;

  constructor(
    private readonly cluster: Cluster,
    readonly options: LoadOptions,
  ) {
    const { name, seed = 1, paceMs = 8, isVaried = false } = options;
    const channels = options.channels.map((channel) => `${name}.${channel}`);
    if (isVaried) channels.push(`presence.${name}.${PRESENCE}`);
    this.channels = channels;
    const random = generator(seed);
    const client = (own: string, first: number) => ({
      name: `${name} ${own}`,
      uid: own,
      channels,
      token: cluster.token(own),
      gateways: [...cluster.gatewayUrls.slice(first), ...cluster.gatewayUrls.slice(0, first)],
    });
    const leavesAfter = () => 50 + Math.floor(random() * 500);
    this.steady = [0, 1].map(
      (gateway) => new Subscriber(this.journal, { ...client(`steady-${gateway}`, gateway), resumes: true }),
    );
    const transports = isVaried
      ? (['websocket', 'websocket', 'socket.io'] as const)
      : (['websocket', 'websocket'] as const);
    this.restless = transports.map(
      (transport, index) =>
        new Subscriber(this.journal, {
          ...client(`restless-${index}`, index % 2),
          ...(isVaried && index === 0 ? { token: () => cluster.token('restless-0', onlyOnce()) } : {}),
          transport,
          leavesAfter,
          resumes: index !== 1,
        }),
    );
    this.socketPublishers = transports.map(
      (transport, index) =>
        new SocketPublisher(
          this.journal,
          { ...client(`socket-${index}`, index % 2), transport, resumes: isVaried },
          paceMs,
          isVaried ? 8 : 1,
        ),
    );
    const publisher = {
      nodes: cluster.publishUrls,
      apiKey: cluster.apiKey,
      channels,
      ...(isVaried ? { eventEvery: EVENT_EVERY } : {}),
    };
    const http = (
      own: string,
      more: { batch?: number; paceMs?: number; aheadMs?: typeof AHEAD_MS; aws?: boolean; isTwin?: boolean },
    ) =>
      new HttpPublisher(this.journal, {
        ...publisher,
        paceMs: paceMs * (more.batch ?? 1),
        name: `${name} ${own}`,
        ...more,
        awsKey: more.aws === true ? cluster.awsKey : undefined,
      });
    this.httpPublishers = [
      ...[1, 1, 1, 10].map((batch, index) => http(`http-${index}`, { batch })),
      ...(isVaried
        ? [
            http('lambda', { aws: true }),
            http('twins', { isTwin: true, paceMs: 4 * paceMs }),
            http('scheduler', { aheadMs: AHEAD_MS, paceMs: 4 * paceMs }),
          ]
        : []),
    ];
    if (isVaried) {
      this.intruder = new Intruder(cluster, this.journal, `${name}-intruder`, channels);
      this.storage = new StorageLoad(cluster, this.journal, name, 4 * paceMs);
    }
  }

  private get clients(): readonly Subscriber[] {
    return [...this.steady, ...this.restless, ...this.socketPublishers];
  }

  private get publishers(): readonly (HttpPublisher | SocketPublisher)[] {
    return [...this.httpPublishers, ...this.socketPublishers];
  }

  /** Begins once everybody is subscribed. */
  async start(): Promise<void> {
    for (const client of this.clients) client.start();
    await this.everybodySubscribed();
    for (const publisher of this.httpPublishers) publisher.start();
    this.intruder?.start();
    this.storage?.start();
  }

  /** Waits until every publisher got `messages` further ones accepted. */
  async progress(messages: number, withinMs = LONGEST_WAIT_MS): Promise<void> {
    const { publishers } = this;
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
    return this.clients.reduce((sum, { resumes }) => sum + resumes.incomplete, 0);
  }

  get completeResumes(): number {
    return this.clients.reduce((sum, { resumes }) => sum + resumes.complete, 0);
  }

  /** Holes that clients were told of (R17). */
  get toldHoles(): number {
    return this.clients.reduce((sum, { toldHoles }) => sum + toldHoles, 0);
  }

  /** Breaks the connections of the restless clients now; they come back by themselves. */
  shake(): void {
    for (const client of this.restless) client.drop();
  }

  /** Many come at once to each gateway, enter what there is to enter, and are gone without a word. */
  async storm(): Promise<void> {
    const { cluster } = this;
    const [standard = '', ...others] = this.channels;
    const entered = Object.fromEntries([standard, others.at(-1) ?? ''].map((name) => [name, { autoSubscribe: true }]));
    const sockets = cluster.gatewayUrls.flatMap((url, gateway) =>
      Array.from({ length: STORM }, (_, n) => {
        const token = cluster.tokenFor(`storm-${gateway}-${n}`, entered);
        return openSocket('websocket', url, token, { onFrame: () => undefined, onClose: () => undefined });
      }),
    );
    await delay(STORM_MS);
    for (const socket of sockets) socket.terminate();
  }

  /**
   * Does something while everybody is there, nobody publishes and nothing waits: what streams hold is nobody's any more then.
   */
  async quietly(act: () => Promise<void>): Promise<void> {
    await this.journal.gate.whileClosed(async () => {
      await this.everybodySubscribed();
      await this.cluster.untilIdle();
      await act();
    });
  }

  /** Breaks every connection at once. */
  dropEverybody(): void {
    for (const client of this.clients) client.drop();
  }

  /** Half of the subscribers read nothing for a while. */
  async pauseReaders(ms: number): Promise<void> {
    const readers = [this.steady[0], ...this.restless];
    for (const reader of readers) reader?.pauseReading();
    await delay(ms);
    for (const reader of readers) reader?.resumeReading();
  }

  /** Answers of the HTTP publishers other than 202, by status. */
  get refusals(): ReadonlyMap<number, number> {
    const all = new Map<number, number>();
    for (const { refusals } of this.httpPublishers) {
      for (const [status, count] of refusals) all.set(status, (all.get(status) ?? 0) + count);
    }
    return all;
  }

  /**
   * Ends the load, waits until the last message of every channel is everywhere, and gathers what there is to compare. What
   * was waited for in vain is in `stuck`.
   */
  async finish(): Promise<Evidence> {
    await Promise.all([
      ...this.httpPublishers.map((publisher) => publisher.stop()),
      ...this.socketPublishers.map((publisher) => publisher.fallSilent()),
      this.intruder?.stop(),
      this.storage?.fallSilent(),
    ]);
    await Promise.all(this.socketPublishers.map((publisher) => publisher.settled()));
    for (const client of this.clients) client.settleDown();
    await this.orStuck(this.everybodySubscribed());
    await this.orStuck(this.everythingFired());
    const until = (await this.orStuck(this.everybodyUpToDate())) ?? new Map<string, string>();
    const { channels } = this;
    const table = await readTable(this.cluster, channels);
    const histories = [
      await eventually(() => readHistory(this.cluster, 0, channels, false)),
      await eventually(() => readHistory(this.cluster, 1, channels, true)),
    ];
    const { intents, connections } = this.journal;
    return { intents, connections, table, histories, until };
  }

  /** Where counts and lists of members are not what they are, once everybody is there and stays: in words. */
  async ghosts(): Promise<string[]> {
    let found: string[] = [];
    await eventually(async () => {
      found = (await Promise.all(this.channels.map((channel) => this.ghostsOf(channel)))).flat();
      if (found.length > 0) throw new Error('there are ghosts');
    }).catch(() => undefined);
    return found;
  }

  /** Ends everything at once, whatever its state: for after the test, which may have failed. */
  abandon(): void {
    this.isAbandoned = true;
    for (const client of this.clients) client.stop();
    for (const publisher of this.httpPublishers) publisher.abandon();
    for (const publisher of this.socketPublishers) void publisher.fallSilent();
    void this.intruder?.stop();
    this.storage?.stop();
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

  private async orStuck<T>(waiting: Promise<T>): Promise<T | undefined> {
    try {
      return await waiting;
    } catch (error) {
      this.stuck.push((error as Error).message);
      return undefined;
    }
  }

  private async everybodySubscribed(): Promise<void> {
    await eventually(() => {
      const missing = this.clients.filter(({ isComplete }) => !isComplete);
      if (missing.length > 0) throw new Error(`not subscribed: ${missing.map(({ name }) => name).join(', ')}`);
    });
  }

  private async everythingFired(): Promise<void> {
    const { intents, fired } = this.journal;
    const waiting = intents.filter(({ dueMs, fate }) => dueMs !== undefined && fate === 'acked');
    await eventually(() => {
      const missing = waiting.filter(({ publisher, n }) => !fired.has(messageKey(publisher, n)));
      if (missing.length > 0) throw new Error(`not fired: ${missing.length} schedules`);
    });
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
    });
    return keys;
  }

  private async publishSurely(intent: Intent): Promise<void> {
    const { publishUrls, apiKey } = this.cluster;
    const giveUpAt = Date.now() + LONGEST_WAIT_MS;
    for (let attempt = 0; !this.isAbandoned; attempt++) {
      const answer = await post(
        publishUrls[attempt % publishUrls.length] ?? '',
        apiKey,
        '/publish',
        documentOf(intent),
      );
      if (typeof answer === 'object' && answer.status === 202) return this.journal.settle(intent, 'acked');
      if (Date.now() > giveUpAt) throw new Error(`a message is not accepted: ${JSON.stringify(answer)}`);
      await delay(50);
    }
  }

  private async ghostsOf(channel: string): Promise<string[]> {
    const { publishUrls, apiKey } = this.cluster;
    const answer = await fetch(`${publishUrls[0]}/channels/${encodeURIComponent(channel)}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    }).catch((error: Error) => error);
    if (answer instanceof Error || !answer.ok)
      return [`${channel}: ${answer instanceof Error ? answer.message : answer.status}`];
    const info = (await answer.json()) as { subscriptionsCount: number; members?: readonly Frame[] };
    const { clients } = this;
    const found: string[] = [];
    if (info.subscriptionsCount !== clients.length) {
      found.push(`${channel} counts ${info.subscriptionsCount} of ${clients.length} subscriptions`);
    }
    if (info.members === undefined) return found;
    const expected = uidsOf(clients.map(({ options }) => ({ uid: options.uid })));
    const lists = new Map(clients.map((client) => [client.name, client.members.get(channel) ?? []]));
    for (const [who, members] of [['the database', info.members] as const, ...lists]) {
      if (uidsOf(members) !== expected) found.push(`${channel} has for ${who} the members ${uidsOf(members)}`);
    }
    return found;
  }
}

const uidsOf = (members: readonly Frame[]): string =>
  members
    .map(({ uid }) => uid as string)
    .sort()
    .join(' ');
