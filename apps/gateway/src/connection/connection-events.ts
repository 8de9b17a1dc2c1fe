import { setTimeout as delay } from 'node:timers/promises';
import { Identity } from '@hearth/protocol';
import { ConnectionOperation, connectionData, endedConnectionData, gatewayIdOf, Introduction } from '@hearth/wire';
import { ReloadableSettings } from '@hearth/config';
import { Logger, LOGGER } from '@hearth/runtime';
import { IngestPublisher } from '@hearth/stream';
import { installationNow } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import { type Asker, throughOutage } from '../commands/outage-wait';
import { Barriers } from '../attendance/barriers';

/** What events tell about a connection (pubsub-events §3.1). */
export interface DescribedConnection {
  readonly id: string;
  readonly identity: Identity;
  readonly connectedAtMs: number;
  readonly connect: { readonly keepAlive: boolean };
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  /** Its `connected` event is told, or will be. */
  isAnnounced: boolean;
  /** Its `connected` event, until the stream of events holds it. */
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
 * The backend events of connections, in the order of the calls: all are operations in the home partition of this gateway,
 * whose owner tells of them. The events of their subscriptions come from the owners of channels, by other roads, and no
 * road has to be the faster one: `connected` goes along with what those are told, and `disconnected` waits until they say
 * that the stream holds what comes before it (pubsub-events §4.4).
 */
@Injectable()
export class ConnectionEvents {
  /** Tells of an end that waits for other events. */
  private readonly untold = new Set<() => void>();
  /** Operations that the stream does not have yet. */
  private underWay = 0;

  constructor(
    private readonly ingest: IngestPublisher,
    private readonly barriers: Barriers,
    private readonly reloadable: ReloadableSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Tells of a connection that has begun.
   *
   * @returns when the stream has that, or has not taken it for so long that the connection was ended. Before that it must do
   *   nothing that events tell of, because whoever buries this gateway would not find it; `undefined` when nobody wants events
   */
  announce(connection: DescribedConnection & Asker): Promise<void> | undefined {
    if (!this.reloadable.current.eventsEnabled) return undefined;
    return throughOutage(connection, () => this.connected(connection))?.catch((error: unknown) => {
      this.logger.error({ connectionId: connection.id, err: error }, 'a connection could not be told of');
      connection.close(1011, 'Internal error');
    });
  }

  private connected(connection: DescribedConnection): Promise<void> {
    connection.isAnnounced = true;
    connection.introduction ??= [{ id: ulid(installationNow()), dataJson: connectionData(detailsOf(connection)) }];
    const { introduction: introduces } = connection;
    const operation: ConnectionOperation = { ...this.placeOf(connection), kind: 'connection', event: 'connected' };
    return this.ingest.send({ ...operation, introduces }).then(() => this.forgetWhenTold(connection));
  }

  /** Its metadata really changed. */
  updated(connection: DescribedConnection): void {
    if (connection.isAnnounced || this.reloadable.current.eventsEnabled)
      void this.tell(connection, { event: 'connectionUpdated', dataJson: connectionData(detailsOf(connection)) });
  }

  /** @param unsubscribed gives a promise of the moment when the stream holds the ends of its subscriptions */
  disconnected(connection: DescribedConnection, unsubscribed: () => Promise<void>): void {
    if (!connection.isAnnounced && !this.reloadable.current.eventsEnabled) return;
    const dataJson = endedConnectionData(connectionData(detailsOf(connection)), installationNow());
    const tell = (): void => {
      if (this.untold.delete(tell)) void this.tell(connection, { event: 'disconnected', dataJson });
    };
    this.untold.add(tell);
    if (this.untold.size > MAX_UNTOLD) tell();
    else void unsubscribed().then(tell);
  }

  /**
   * When all has been told, or that takes too long: then no end waits for others any more, and what does not arrive is told
   * by whoever buries this gateway.
   *
   * @param timeUp aborted when it does
   */
  async settle(timeUp: AbortSignal): Promise<void> {
    await this.until(() => this.untold.size === 0, SETTLE_MS, timeUp);
    for (const tell of this.untold) tell();
    await this.until(() => this.underWay === 0, LAST_MS, timeUp);
  }

  private async until(isDone: () => boolean, withinMs: number, timeUp: AbortSignal): Promise<void> {
    const endMs = performance.now() + withinMs;
    while (!isDone() && performance.now() < endMs && !timeUp.aborted) await delay(SETTLE_POLL_MS);
  }

  private async tell(
    connection: DescribedConnection,
    what: Pick<ConnectionOperation, 'event' | 'dataJson'>,
  ): Promise<void> {
    const unannounced = connection.isAnnounced ? undefined : true;
    this.underWay++;
    try {
      const operation = { ...this.placeOf(connection), kind: 'connection', unannounced, ...what } as const;
      await this.ingest.send(operation, '', { atLast: true });
    } catch {
      // The publisher is closing: whoever buries this gateway tells it.
    } finally {
      this.underWay--;
    }
  }

  private placeOf({ id: connectionId }: DescribedConnection) {
    const gatewayId = gatewayIdOf(connectionId) ?? 0;
    return { partition: this.ingest.homeOf(gatewayId), gatewayId, connectionId };
  }

  /** The introduction is not needed any more once the stream of events holds it. */
  private forgetWhenTold(connection: DescribedConnection): void {
    const { partition } = this.placeOf(connection);
    void this.barriers.eventsTold(partition, { unsaved: true }).then(() => (connection.introduction = undefined));
  }
}

function detailsOf({ id, connectedAtMs, connect, sourceIp, identity, userAgent }: DescribedConnection) {
  return { id, connectedAtMs, keepAlive: connect.keepAlive, sourceIp, ...identity, userAgent };
}
