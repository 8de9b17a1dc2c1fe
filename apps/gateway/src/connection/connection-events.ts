import { setTimeout as delay } from 'node:timers/promises';
import { Identity } from '@hearth/protocol';
import { BackendEventName, Introduction } from '@hearth/wire';
import { LiveSettings } from '@hearth/runtime';
import { EventPublisher } from '@hearth/stream';
import { untilAborted, installationNow } from '@hearth/timing';
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';

/** What events tell about a connection (pubsub-events §3.1). */
export interface DescribedConnection {
  readonly id: string;
  readonly identity: Identity;
  readonly connectedAtMs: number;
  readonly connect: { readonly keepAlive: boolean };
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  /** Its `connected` event, until the stream holds it. */
  introduction: readonly Introduction[] | undefined;
}

/** As many as may wait for the stream; past it they no longer wait for other events. */
const MAX_UNTOLD = 100_000;
/** Longest that the end of the process waits for the ends of its connections to be told. */
const SETTLE_MS = 10_000;
const SETTLE_POLL_MS = 20;
/** What is told in the end gets so long to arrive, however late it is. */
const LAST_MS = 500;

/**
 * The backend events of connections, in the order of the calls. The events of their subscriptions come from the owners of
 * channels, by other roads, and no road has to be the faster one: `connected` goes along with what owners are told, and
 * `disconnected` waits until they say that the stream holds what comes before it (pubsub-events §4.4).
 */
@Injectable()
export class ConnectionEvents {
  /** Publishes a `disconnected` that waits for other events. */
  private readonly untold = new Set<() => void>();

  constructor(
    private readonly publisher: EventPublisher,
    private readonly live: LiveSettings,
  ) {}

  connected(connection: DescribedConnection): void {
    if (!this.live.current.eventsEnabled) return;
    const event = { id: ulid(), dataJson: describe(connection, null) };
    connection.introduction = [event];
    this.publish('connected', event);
    void this.publisher.told().then(() => (connection.introduction = undefined));
  }

  /** Its metadata really changed. */
  updated(connection: DescribedConnection): void {
    if (this.live.current.eventsEnabled)
      this.publish('connectionUpdated', { id: ulid(), dataJson: describe(connection, null) });
  }

  /** @param unsubscribed gives a promise of the moment when the stream holds the ends of its subscriptions */
  disconnected(connection: DescribedConnection, unsubscribed: () => Promise<void>): void {
    if (!this.live.current.eventsEnabled) return;
    const event = { id: ulid(), dataJson: describe(connection, installationNow()) };
    const tell = (): void => {
      if (this.untold.delete(tell)) this.publish('disconnected', event);
    };
    this.untold.add(tell);
    if (this.untold.size > MAX_UNTOLD) tell();
    else void unsubscribed().then(tell);
  }

  /**
   * When the stream holds all events, or that takes too long: then none waits for others any more.
   *
   * @param timeUp aborted when it does
   */
  async settle(timeUp: AbortSignal): Promise<void> {
    const endMs = performance.now() + SETTLE_MS;
    while (this.untold.size > 0 && performance.now() < endMs && !timeUp.aborted) await delay(SETTLE_POLL_MS);
    for (const tell of this.untold) tell();
    await untilAborted(timeUp, this.publisher.settle(), LAST_MS);
  }

  private publish(name: BackendEventName, event: Introduction): void {
    void this.publisher.publish({ ...event, name, metadata: {} });
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
