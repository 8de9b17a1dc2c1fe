import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from '../support/ws-client';
import { type Cluster, onlyOnce } from './cluster';
import { ClientSocket, openSocket } from './client-socket';
import type { Journal } from './journal';

const PAUSE_MS = 500;
const ROUNDS_PER_CONNECTION = 3;
/** The event that it has no right to publish; whoever gets one has got what was refused. */
export const STOLEN_EVENT = 'stolen';

/**
 * A client whose token lets in once, and allows one channel and no publishing. It tries again and again to enter the channels of
 * others, to publish in its own, and to use its token twice; nothing of that may have an effect.
 */
export class Intruder {
  /** What it was let into or got, in words. */
  readonly leaks: string[] = [];
  /** Attempts that were refused as they should. */
  refusals = 0;
  private socket: ClientSocket | undefined;
  private isStopping = false;
  private running: Promise<void> = Promise.resolve();
  private attempts = 0;
  private n = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly journal: Journal,
    private readonly name: string,
    private readonly channels: readonly string[],
  ) {}

  start(): void {
    this.connect();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.socket?.terminate();
    await this.running;
  }

  private get ownChannel(): string {
    return `${this.name}.own`;
  }

  private connect(): void {
    if (this.isStopping) return;
    const { gatewayUrls } = this.cluster;
    const token = this.cluster.tokenFor(this.name, { [this.ownChannel]: { subscribe: true } }, onlyOnce());
    this.socket = openSocket('websocket', gatewayUrls[this.attempts++ % gatewayUrls.length] ?? '', token, {
      onFrame: (frame) => {
        if (frame.event === 'hotsock.connected') this.connectAgain(token);
        this.onFrame(frame);
      },
      onClose: () => void delay(PAUSE_MS).then(() => this.connect()),
    });
  }

  /** With a token that lets in once, and has; at the other gateway. */
  private connectAgain(token: string): void {
    const { gatewayUrls } = this.cluster;
    const again = openSocket('websocket', gatewayUrls[this.attempts % gatewayUrls.length] ?? '', token, {
      onFrame: ({ event }) => {
        if (event === 'hotsock.connected') this.leaks.push(`${this.name} was let in twice with one token`);
        again.terminate();
      },
      onClose: () => undefined,
    });
  }

  private onFrame(frame: Frame): void {
    const { event, channel, error } = frame;
    if (event === 'hotsock.connected')
      this.socket?.send({ event: 'hotsock.subscribe', ...{ channel: this.ownChannel } });
    else if (event === 'hotsock.error' && /PERMISSION_DENIED|NOT_SUBSCRIBED/.test(error.code)) this.refusals++;
    // An outage is no answer to what was asked.
    else if (event === 'hotsock.error' && error.code === 'SERVICE_UNAVAILABLE') return;
    else if (event === 'hotsock.error') this.journal.complain(`${this.name} was told ${JSON.stringify(frame)}`);
    else if (channel !== this.ownChannel || event !== 'hotsock.subscribed') {
      this.leaks.push(`${this.name} got ${JSON.stringify(frame)}`);
    }
  }

  private async run(): Promise<void> {
    for (let round = 1; !this.isStopping; round++) {
      const channel = this.channels[this.n % this.channels.length] ?? '';
      this.socket?.send({ event: 'hotsock.subscribe', ...{ channel } });
      for (const target of [channel, this.ownChannel]) {
        const intent = this.journal.intend({ publisher: this.name, n: this.n++, channel: target, isKept: false });
        this.journal.settle(intent, 'refused');
        const data = { publisher: intent.publisher, n: intent.n };
        this.socket?.send({ event: STOLEN_EVENT, ...{ channel: target, data } });
      }
      await delay(PAUSE_MS);
      // Next time it tries the other gateway.
      if (round % ROUNDS_PER_CONNECTION === 0) this.socket?.terminate();
    }
  }
}
