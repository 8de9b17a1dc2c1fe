import { Client, umdToken } from '../support/installation';
import { Actor } from './actor';
import { Deed, DeedKind, Journal } from './journal';

const REACTION = 'hotsock.messageReaction';
const STORAGE_SET = 'hotsock.channelStorageSet';

/** Whoever stays gets everything there is in the load's channels, and may do whatever there is to do. */
export const PARTICIPANT_CLAIMS = {
  '*': {
    subscribe: true,
    historyStart: 0,
    messages: {
      said: { publish: true, echo: true, store: 600, emitPubSubEvent: true, react: true },
      whispered: { publish: true, echo: true },
    },
    storage: { '*': { observe: true, get: true, set: true, emitPubSubEvent: true } },
  },
};

/** A client that stays connected and subscribed. */
abstract class Participant extends Actor {
  constructor(
    protected readonly client: Client,
    protected readonly journal: Journal,
    protected readonly channels: readonly string[],
    name: string,
    paceMs: number,
    private readonly trigger: string,
  ) {
    super(name, paceMs);
  }

  protected channelOf(turn: number): string {
    return this.channels[turn % this.channels.length] ?? '';
  }

  protected presenceChannelOf(turn: number): string {
    const presence = this.channels.filter((channel) => channel.startsWith('presence.'));
    return presence[turn % presence.length] ?? '';
  }

  protected deed(kind: DeedKind, channel: string, key: string, isSilent = false): Deed {
    return this.journal.intend({ kind, channel, key, trigger: kind === 'umd' ? undefined : this.trigger, isSilent });
  }

  protected umdTokenFor(channel: string, umd: unknown): string {
    return umdToken({ uid: this.name, umd, channels: { [channel]: { umdUpdate: true } } });
  }
}

/**
 * Does everything over its socket, where nothing is confirmed but a message, by its copy. What of the rest took place is
 * seen by the observers.
 */
export class SocketParticipant extends Participant {
  constructor(client: Client, journal: Journal, channels: readonly string[], name: string) {
    // Each sixth round changes metadata: less than four times a second in a channel, or it is gathered (limits §5).
    super(client, journal, channels, name, 25, 'client.websocket');
  }

  /** Settles the fates of the messages whose copies came. */
  settle(): void {
    const copies = new Set(this.client.ws.frames.map(({ data }) => data?.key as unknown));
    for (const deed of this.journal.deeds) {
      if (deed.kind === 'message' && copies.has(deed.key) && deed.key.startsWith(`${this.name}/`))
        deed.fate = 'accepted';
    }
  }

  protected round(n: number): Promise<void> {
    const turn = Math.floor(n / 6);
    const [channel, key] = [this.channelOf(turn), `${this.name}/${n}`];
    switch (n % 6) {
      case 0:
      case 1:
        this.deed('message', channel, key);
        this.send({ event: 'said', channel, data: { key } });
        break;
      case 2:
        this.deed('message', channel, key, true);
        this.send({ event: 'whispered', channel, data: { key } });
        break;
      case 3:
        this.deed('storage', channel, key);
        this.send({ event: STORAGE_SET, channel, key: this.name, data: { key } });
        break;
      case 4:
        this.react(channel, key, turn % 3 === 0);
        break;
      default:
        this.updateUmd(this.presenceChannelOf(turn), key);
    }
    return Promise.resolve();
  }

  private react(channel: string, key: string, takesBack: boolean): void {
    const target = this.client.ws.frames.findLast((frame) => frame.event === 'said' && frame.channel === channel);
    if (target === undefined) return;
    const data = { messageId: target.id as string, reaction: key };
    this.deed('reactionAdded', channel, key);
    this.send({ event: REACTION, channel, data: { ...data, action: 'add' } });
    if (!takesBack) return;
    this.deed('reactionRemoved', channel, key);
    this.send({ event: REACTION, channel, data: { ...data, action: 'remove' } });
  }

  private updateUmd(channel: string, key: string): void {
    this.deed('umd', channel, key);
    this.send({ event: 'hotsock.umdUpdate', channel, data: { token: this.umdTokenFor(channel, { key }) } });
  }

  private send(frame: object): void {
    this.client.ws.send(frame);
  }
}

/** Does everything over the client HTTP API, where each call is answered. */
export class HttpParticipant extends Participant {
  constructor(client: Client, journal: Journal, channels: readonly string[], name: string) {
    super(client, journal, channels, name, 5, 'client.http');
  }

  protected async round(n: number): Promise<void> {
    const turn = Math.floor(n / 4);
    const [channel, key] = [this.channelOf(turn), `${this.name}/${n}`];
    switch (n % 4) {
      case 0:
        return this.call(this.deed('message', channel, key), 'publishMessage', { event: 'said', data: { key } });
      case 1:
        return this.call(this.deed('storage', channel, key), 'channelStorageSet', { key: this.name, data: { key } });
      case 2:
        return this.react(channel, key);
      default:
        return this.updateUmd(this.presenceChannelOf(turn), key);
    }
  }

  /** Takes back what was surely added. */
  private async react(channel: string, key: string): Promise<void> {
    const target = this.client.ws.frames.findLast((frame) => frame.event === 'said' && frame.channel === channel);
    if (target === undefined) return;
    const data = { messageId: target.id as string, reaction: key };
    const added = this.deed('reactionAdded', channel, key);
    await this.call(added, 'publishMessage', { event: REACTION, data: { ...data, action: 'add' } });
    if (added.fate !== 'accepted') return;
    const removed = this.deed('reactionRemoved', channel, key);
    await this.call(removed, 'publishMessage', { event: REACTION, data: { ...data, action: 'remove' } });
  }

  private updateUmd(channel: string, key: string): Promise<void> {
    return this.call(this.deed('umd', channel, key), 'umdUpdate', { token: this.umdTokenFor(channel, { key }) });
  }

  /** A 503 comes from behind the gateway, where it may have been too late: what became of it is unknown. */
  private async call(deed: Deed, operation: string, body: object): Promise<void> {
    const { status, text } = await this.client.call(operation, { channel: deed.channel, ...body });
    if (status === 202 || status === 200) deed.fate = 'accepted';
    else if (status !== 503) throw new Error(`${operation}: ${status} ${text}`);
  }
}
