import { Client, Testbed, umdToken } from '../support/installation';
import type { AppProcess } from '../support/process';
import type { Frame } from '../support/ws-client';
import { Actor } from './actor';
import { ConnectionEntry, Journal } from './journal';

/** Longer than the service takes to give up (15 s, and the attempt that is under way then). */
const ANSWER_MS = 60_000;

export interface VisitorOptions {
  readonly name: string;
  readonly uid: string;
  readonly gateway: AppProcess;
  readonly standardChannels: readonly string[];
  readonly presenceChannels: readonly string[];
}

/** `HEARTH_HTTP_TIMEOUT_MS`, less what a timer may be early: so long an attempt to enter a presence channel takes. */
const ATTEMPT_MS = 4_500;

/** Several changes of a member each: more often, and they are gathered (limits §5), which events are not. */
const PACE_MS = 1_000;

/** A client that comes, changes its metadata, subscribes here and there, and goes, again and again. */
export class Visitor extends Actor {
  constructor(
    private readonly testbed: Testbed,
    private readonly journal: Journal,
    private readonly options: VisitorOptions,
  ) {
    super(options.name, PACE_MS);
  }

  protected async round(n: number): Promise<void> {
    const { uid, gateway, standardChannels, presenceChannels } = this.options;
    const umd = { visit: n, of: this.name };
    const client = await this.testbed.connect({ uid, umd, channels: { '*': { subscribe: true } } }, gateway);
    const entry = this.journal.opened(client.id, uid, umd);
    const pick = (from: readonly string[], turn: number) => from[turn % from.length] ?? '';
    const [standard, presence] = [pick(standardChannels, n), pick(presenceChannels, n)];
    if (!(await this.subscribe(client, entry, standard))) return;
    if (!(await this.subscribe(client, entry, presence))) return;
    await this.updateUmd(client, entry, { ...umd, update: 1 }, n % 2 === 0);
    if (n % 3 === 0) await this.unsubscribe(client, standard);
    if (!(await this.subscribe(client, entry, pick(standardChannels, n + 1)))) return;
    if (n % 3 === 0 && !(await this.subscribe(client, entry, standard))) return;
    await this.updateUmd(client, entry, { ...umd, update: 2 }, false);
    if (n % 2 === 0) client.ws.socket.terminate();
    else client.ws.socket.close();
    await client.ws.closed;
  }

  /** @returns false when an outage took so long that the connection was closed */
  private async subscribe({ ws }: Client, entry: ConnectionEntry, channel: string): Promise<boolean> {
    const askedAt = Date.now();
    ws.send({ event: 'hotsock.subscribe', channel });
    const isAnswer = (frame: Frame) =>
      frame.channel === channel && (frame.event === 'hotsock.subscribed' || frame.event === 'hotsock.error');
    const closed = ws.closed.then((): Frame => undefined);
    const answer: Frame = await Promise.race([ws.next(isAnswer, ANSWER_MS), closed]);
    // An attempt that is not answered in time is undone, and another is made: each may have been seen by the backend.
    for (let ms = Date.now() - askedAt; ms >= ATTEMPT_MS; ms -= ATTEMPT_MS) {
      entry.subscriptions.push({ channel, fate: 'unknown' });
    }
    if (answer === undefined) entry.subscriptions.push({ channel, fate: 'unknown' });
    else if (answer.event === 'hotsock.subscribed') {
      entry.subscriptions.push({ channel, fate: 'accepted', meta: answer.meta });
    } else throw new Error(`${this.name}: ${answer.error.code} for ${channel}`);
    return answer !== undefined;
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
