import { eventually } from '../support/eventually';
import { Client, Testbed } from '../support/installation';
import type { Actor } from './actor';
import { Backend } from './backend';
import { Journal } from './journal';
import { Evidence } from './oracle';
import { HttpParticipant, PARTICIPANT_CLAIMS, SocketParticipant } from './participants';
import { isBrief, PersistentPublisher, ServerPublisher } from './server-publisher';
import { Visitor } from './visitor';

const STANDARD = ['news.1', 'räume/2'];
const PRESENCE = ['presence.a', 'presence.b'];
const CHANNELS = [...STANDARD, ...PRESENCE];
const OBSERVER_UMD = { sees: 'everything' };

/**
 * Everybody who causes events: two gateways, on each an observer who stays from the first moment to the last, a client
 * that does everything over its socket, one that does it over HTTP, and two visitors; and two backends that publish.
 */
export class Load {
  readonly journal = new Journal();
  private readonly observers: Client[] = [];
  private readonly stayers: Client[] = [];
  private readonly socketParticipants: SocketParticipant[] = [];
  private readonly actors: Actor[] = [];

  constructor(
    private readonly testbed: Testbed,
    private readonly backend: Backend,
  ) {}

  /** Begins once the observers are everywhere. */
  async start(): Promise<void> {
    const { testbed, journal } = this;
    for (const gateway of [0, 1]) this.observers.push(await this.enter(`observer-${gateway}`, gateway));
    for (const [gateway, process] of testbed.gateways.entries()) {
      const [socket, http] = [`socket-${gateway}`, `http-${gateway}`];
      const onSocket = await this.enter(socket, gateway);
      const onHttp = await this.enter(http, gateway);
      this.stayers.push(onSocket, onHttp);
      const participant = new SocketParticipant(onSocket, journal, CHANNELS, socket);
      this.socketParticipants.push(participant);
      this.actors.push(participant, new HttpParticipant(onHttp, journal, CHANNELS, http));
      for (const n of [0, 1]) {
        const place = { standardChannels: STANDARD, presenceChannels: PRESENCE, gateway: process };
        this.actors.push(new Visitor(testbed, journal, { name: `visitor-${gateway}-${n}`, uid: `v${n}`, ...place }));
      }
    }
    this.actors.push(new ServerPublisher(testbed, journal, CHANNELS, 'server'));
    this.actors.push(new PersistentPublisher(testbed, journal, CHANNELS, 'persistent'));
    for (const actor of this.actors) actor.start();
  }

  /** Waits until every actor has got on by so many rounds, and as many events have come. */
  async progress(rounds: number): Promise<void> {
    const goals = this.actors.map((actor) => actor.rounds + rounds);
    const events = this.backend.events.length + rounds;
    await eventually(() => {
      const late = this.actors
        .filter((actor, index) => actor.rounds < (goals[index] ?? 0))
        .map(({ name, failure }) => (failure === undefined ? name : `${name} (${failure.message})`));
      if (this.backend.events.length < events) late.push('the backend');
      if (late.length > 0) throw new Error(`do not get on: ${late.join(', ')}`);
    });
  }

  /** Ends the load and closes everything in an order that leaves nothing unseen, waits for the rest, and gathers it. */
  async finish(): Promise<Evidence> {
    await Promise.all(this.actors.map((actor) => actor.stop()));
    for (const participant of this.socketParticipants) participant.settle();
    await eventually(() => this.expectQuiet());
    await this.leave(...this.stayers);
    const [first, second] = this.observers as [Client, Client];
    await this.leave(second);
    await this.untilSeenBy(first);
    await this.leave(first);
    await eventually(async () => {
      const { messages } = await this.backend.stream();
      if (this.backend.all.length !== messages) throw new Error('the backend has not read everything');
    });
    const { deeds, connections } = this.journal;
    const observer = { uid: 'observer-0', umd: OBSERVER_UMD, frames: first.ws.frames };
    return { events: this.backend.events, deeds, connections, observer, channels: CHANNELS };
  }

  /** Whether somebody who was to stay has been disconnected. */
  get hasLostConnections(): boolean {
    return [...this.observers, ...this.stayers].some(({ ws }) => ws.socket.readyState !== ws.socket.OPEN);
  }

  summary(): string {
    const types = new Map<string, number>();
    for (const { envelope } of this.backend.events) types.set(envelope.type, (types.get(envelope.type) ?? 0) + 1);
    const fates = (['accepted', 'refused', 'unknown'] as const).map((fate) => [fate, this.journal.count(fate)]);
    return `${JSON.stringify({ ...Object.fromEntries(types), ...Object.fromEntries(fates) })}\n`;
  }

  /** Ends everything at once, whatever its state: for after the test, which may have failed. */
  abandon(): void {
    for (const actor of this.actors) void actor.stop().catch(() => undefined);
    for (const { ws } of [...this.observers, ...this.stayers]) ws.socket.terminate();
  }

  private async enter(name: string, gateway: number): Promise<Client> {
    const umd = name.startsWith('observer') ? OBSERVER_UMD : null;
    const client = await this.testbed.connect(
      { uid: name, umd, channels: PARTICIPANT_CLAIMS },
      this.testbed.gateways[gateway],
    );
    const entry = this.journal.opened(client.id, name, umd);
    for (const channel of CHANNELS) {
      const { meta } = await client.subscribe(channel);
      entry.subscriptions.push({ channel, fate: 'accepted', meta });
    }
    return client;
  }

  /** What was scheduled has fired, what was to end has ended, and who has gone is gone. */
  private expectQuiet(): void {
    const published = new Set(
      this.backend.eventsOf('messagePublished').map(({ envelope }) => envelope.data.data?.key as unknown),
    );
    const late = this.journal.deeds.filter(
      ({ kind, fate, isSilent, key }) =>
        kind === 'message' && fate === 'accepted' && isSilent !== true && !published.has(key),
    );
    if (late.length > 0) throw new Error(`not published: ${late.map(({ key }) => key).join(', ')}`);
    const entries = new Map<string, unknown>();
    for (const { envelope } of this.backend.eventsOf('channelStorageUpdated')) {
      const { channel, key, data } = envelope.data;
      if (isBrief(key as string)) entries.set(`${channel} ${key}`, data);
    }
    for (const [entry, data] of entries) if (data !== null) throw new Error(`${entry} has not ended`);
    this.expectGone(this.journal.connections.length - this.observers.length - this.stayers.length);
  }

  private expectGone(count: number): void {
    const gone = this.backend.eventsOf('disconnected').length;
    if (gone < count) throw new Error(`${gone} of ${count} connections are told to be gone`);
  }

  /** Closes connections and waits until backends know. */
  private async leave(...clients: readonly Client[]): Promise<void> {
    const before = this.backend.eventsOf('disconnected').length;
    for (const { ws } of clients) await ws.close();
    await eventually(() => this.expectGone(before + clients.length));
  }

  /** Waits until an observer has seen everything that went on in the channels. */
  private async untilSeenBy({ ws }: Client): Promise<void> {
    for (const channel of CHANNELS) {
      await this.testbed.publish({ channel, event: 'end' });
      await eventually(() => {
        if (!ws.frames.some((frame) => frame.event === 'end' && frame.channel === channel)) throw new Error('not seen');
      });
    }
  }
}
