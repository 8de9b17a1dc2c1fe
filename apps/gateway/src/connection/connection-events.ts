import { setTimeout as delay } from 'node:timers/promises';
import { Identity } from '@hearth/protocol';
import { BackendEventName } from '@hearth/wire';
import type { EventPublisher } from '@hearth/stream';
import { ulid } from 'ulid';

/** What events tell about a connection (pubsub-events §3.1). */
export interface DescribedConnection {
  readonly id: string;
  readonly identity: Identity;
  readonly connectedAtMs: number;
  readonly connect: { readonly keepAlive: boolean };
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
}

/** So often, 5 s each, `disconnected` asks for the `unsubscribed` events that should come before it (§4.4). */
const ATTEMPTS = 3;
const RETRY_MS = 250;
/** As many as may wait for the stream; past it they no longer wait for other events. */
const MAX_WAITING = 100_000;
/** Longest that the end of the process waits for the ends of its connections to be told. */
const SETTLE_MS = 10_000;

/** The backend events of connections, in the order of the calls. */
export class ConnectionEvents {
  private readonly waiting = new Set<Promise<void>>();
  private isSettled = false;

  constructor(
    private readonly publisher: Pick<EventPublisher, 'publish' | 'isConnected'>,
    private readonly isEnabled: () => boolean,
  ) {}

  connected(connection: DescribedConnection): void {
    if (this.isEnabled()) void this.publish('connected', describe(connection, null));
  }

  /** Its metadata really changed. */
  updated(connection: DescribedConnection): void {
    if (this.isEnabled()) void this.publish('connectionUpdated', describe(connection, null));
  }

  /**
   * @param unsubscribed gives a promise of the moment when the ends of its subscriptions are out; may be asked again when
   *   that took too long
   */
  disconnected(connection: DescribedConnection, unsubscribed: () => Promise<void>): void {
    if (!this.isEnabled()) return;
    const dataJson = describe(connection, Date.now());
    const isFull = this.waiting.size >= MAX_WAITING;
    const told = (isFull ? Promise.resolve() : this.untilOut(unsubscribed))
      .then(() => this.publish('disconnected', dataJson))
      .finally(() => this.waiting.delete(told));
    this.waiting.add(told);
  }

  /** When all events have been handed on, or that takes too long. */
  async settle(): Promise<void> {
    await Promise.race([Promise.all(this.waiting), delay(SETTLE_MS, undefined, { ref: false })]);
    this.isSettled = true;
  }

  /** Time without NATS does not count: nothing could leave then. */
  private async untilOut(unsubscribed: () => Promise<void>): Promise<void> {
    for (let failures = 0; failures < ATTEMPTS && !this.isSettled;) {
      try {
        return await unsubscribed();
      } catch {
        if (this.publisher.isConnected) failures++;
      }
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }

  private publish(name: BackendEventName, dataJson: string): Promise<void> {
    return this.publisher.publish({ id: ulid(), name, metadata: {}, dataJson });
  }
}

function describe(connection: DescribedConnection, disconnectedAtMs: number | null): string {
  const { uid, umdJson } = connection.identity;
  const head = JSON.stringify({
    id: connection.id,
    connectedAt: new Date(connection.connectedAtMs).toISOString(),
    disconnectedAt: disconnectedAtMs === null ? null : new Date(disconnectedAtMs).toISOString(),
    keepAlive: connection.connect.keepAlive,
    sourceIp: connection.sourceIp ?? null,
    uid,
  });
  const userAgent = JSON.stringify(connection.userAgent ?? null);
  return `${head.slice(0, -1)},"umd":${umdJson},"userAgent":${userAgent}}`;
}
