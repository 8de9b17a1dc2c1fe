import { decodeDeliverRecord, DELIVER_STREAM, IngestEvent, scheduleOf } from '@hearth/protocol';
import { ensureStreams, IngestPublisher, PullConsumer, StreamConnection, StreamSettings } from '@hearth/stream';
import { randomUUID } from 'node:crypto';
import { createDatabase } from '../support/database';
import { startNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';

const PARTITIONS = 4;
const SETTINGS: StreamSettings = {
  partitions: PARTITIONS,
  ingestMaxBytes: 256 * 1_048_576,
  deliverMaxBytes: 256 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};

/** A message that was fanned out. */
export interface Fired {
  readonly id: string;
  /** What the test gave as data. */
  readonly data: number;
}

/** NATS, a database, sequencers, and a publisher of scheduled messages. */
export class Installation {
  readonly sequencers: AppProcess[] = [];

  private constructor(
    private readonly nats: Awaited<ReturnType<typeof startNats>>,
    readonly database: Awaited<ReturnType<typeof createDatabase>>,
    private readonly connection: StreamConnection,
    private readonly ingest: IngestPublisher,
  ) {}

  static async start(): Promise<Installation> {
    const [nats, database] = await Promise.all([startNats(), createDatabase()]);
    const silent = { info: () => undefined, warn: () => undefined };
    const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
    await ensureStreams(await connection.manager(), SETTINGS);
    const settings = { partitions: PARTITIONS, httpTimeoutMs: 15_000, publishAck: 'stream' } as const;
    return new Installation(nats, database, connection, new IngestPublisher(connection, settings));
  }

  async addSequencer(): Promise<AppProcess> {
    const sequencer = await startApp('sequencer', {
      HEARTH_NATS_URL: this.nats.url,
      HEARTH_DATABASE_URL: this.database.url,
      HEARTH_PARTITIONS: String(PARTITIONS),
    });
    this.sequencers.push(sequencer);
    return sequencer;
  }

  /** Parks a stored message whose data is a number. */
  async schedule(channel: string, data: number, dueMs: number): Promise<void> {
    const message: IngestEvent = {
      requestId: randomUUID(),
      channel,
      event: 'e',
      trigger: 'server.http',
      store: 600,
      emitPubSubEvent: false,
    };
    const scheduled = scheduleOf(message, String(data), dueMs, this.ingest.partitionOf(channel), Date.now());
    await this.ingest.operate(scheduled.operation, scheduled.data);
  }

  /** Everything that was fanned out so far and until so many have come, each place once, as gateways take it. */
  async fired(count: number, channels: readonly string[]): Promise<Fired[]> {
    for (const channel of channels) await this.ingest.barrier(channel);
    const consumer = await PullConsumer.open(this.connection, DELIVER_STREAM, 'first');
    const found = new Map<string, Fired>();
    while (found.size < count) {
      for (const { payload } of await consumer.next(1_000)) {
        const { id, frame } = decodeDeliverRecord(payload);
        const { data, channel } = JSON.parse(frame.toString()) as { data: number; channel: string };
        found.set(`${channel} ${id}`, { id, data });
      }
    }
    consumer.close();
    return [...found.values()];
  }

  async stop(): Promise<void> {
    await Promise.all(this.sequencers.map((sequencer) => sequencer.stop()));
    this.ingest.close();
    await this.connection.close();
    await Promise.all([this.nats.stop(), this.database.drop()]);
  }
}
