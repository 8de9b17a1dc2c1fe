import { Client, Testbed, umdToken } from '../support/installation';
import type { AppProcess } from '../support/process';
import type { Frame } from '../support/ws-client';
import { Actor } from './actor';
import { ConnectionEntry, Journal } from './journal';

/** Longer than the service takes to give up (5 s). */
const ANSWER_MS = 15_000;

export interface VisitorOptions {
  readonly name: string;
  readonly uid: string;
  readonly gateway: AppProcess;
  readonly standardChannels: readonly string[];
  readonly presenceChannels: readonly string[];
}

/** A client that comes, changes its metadata, subscribes here and there, and goes, again and again. */
export class Visitor extends Actor {
  constructor(
    private readonly testbed: Testbed,
    private readonly journal: Journal,
    private readonly options: VisitorOptions,
  ) {
    super(options.name, 20);
  }

  protected async round(n: number): Promise<void> {
    const { uid, gateway, standardChannels, presenceChannels } = this.options;
    const umd = { visit: n, of: this.name };
    const client = await this.testbed.connect({ uid, umd, channels: { '*': { subscribe: true } } }, gateway);
    const entry = this.journal.opened(client.id, uid, umd);
    const pick = (from: readonly string[], turn: number) => from[turn % from.length] ?? '';
    const [standard, presence] = [pick(standardChannels, n), pick(presenceChannels, n)];
    await this.subscribe(client, entry, standard);
    await this.subscribe(client, entry, presence);
    await this.updateUmd(client, entry, { ...umd, update: 1 }, n % 2 === 0);
    if (n % 3 === 0) await this.unsubscribe(client, standard);
    await this.subscribe(client, entry, pick(standardChannels, n + 1));
    if (n % 3 === 0) await this.subscribe(client, entry, standard);
    await this.updateUmd(client, entry, { ...umd, update: 2 }, false);
    if (n % 2 === 0) client.ws.socket.terminate();
    else client.ws.socket.close();
    await client.ws.closed;
  }

  private async subscribe({ ws }: Client, entry: ConnectionEntry, channel: string): Promise<void> {
    ws.send({ event: 'hotsock.subscribe', channel });
    const isAnswer = (frame: Frame) =>
      frame.channel === channel && (frame.event === 'hotsock.subscribed' || frame.event === 'hotsock.error');
    const { event, meta, error } = await ws.next(isAnswer, ANSWER_MS);
    if (event === 'hotsock.subscribed') entry.subscriptions.push({ channel, fate: 'accepted', meta });
    else if (error.code === 'SERVICE_UNAVAILABLE') entry.subscriptions.push({ channel, fate: 'unknown' });
    else throw new Error(`${this.name}: ${error.code} for ${channel}`);
  }

  private async unsubscribe({ ws }: Client, channel: string): Promise<void> {
    ws.send({ event: 'hotsock.unsubscribe', channel });
    await ws.next((frame) => frame.event === 'hotsock.unsubscribed' && frame.channel === channel, ANSWER_MS);
  }

  /** Of the connection itself, which needs nobody's help; of its subscriptions, if it can be. */
  private async updateUmd({ ws }: Client, entry: ConnectionEntry, umd: object, umdPropagate: boolean): Promise<void> {
    const token = umdToken({ uid: entry.uid, umd, umdUpdate: true, umdPropagate });
    ws.send({ event: 'hotsock.umdUpdate', data: { token } });
    ws.send({ event: 'hotsock.ping' });
    const isOver = (frame: Frame) =>
      frame.event === 'hotsock.pong' || (frame.event === 'hotsock.error' && frame.channel === undefined);
    const { event, error } = await ws.next(isOver, ANSWER_MS);
    if (event !== 'hotsock.pong') throw new Error(`${this.name}: ${error.code} for its own metadata`);
    entry.umds.push(umd);
  }
}
