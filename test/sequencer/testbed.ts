import { ensureStreams, IngestPublisher, StreamConnection, StreamSettings } from '@hearth/stream';
import { Client } from 'pg';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { startNats, TestNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';

export const PARTITIONS = 4;
const STREAMS: StreamSettings = {
  partitions: PARTITIONS,
  ingestMaxBytes: 256 * 1_048_576,
  deliverMaxBytes: 256 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};
/** Longer than a partition is without an owner after its sequencer was killed. */
export const PUBLISH_TIMEOUT_MS = 15_000;

/** NATS with the streams, a database, sequencers as processes, and a publisher of what they are to work on. */
export class Testbed {
  /** Those that were started, ended ones too unless a test takes them out. */
  readonly sequencers: AppProcess[] = [];
  readonly ingest: IngestPublisher;

  private constructor(
    readonly nats: TestNats,
    readonly database: ScratchDatabase,
    readonly sql: Client,
    readonly connection: StreamConnection,
  ) {
    const settings = { partitions: PARTITIONS, httpTimeoutMs: PUBLISH_TIMEOUT_MS, publishAck: 'stream' } as const;
    this.ingest = new IngestPublisher(connection, settings);
  }

  /** Without a sequencer. */
  static async start(): Promise<Testbed> {
    const [nats, database] = await Promise.all([startNats(), createDatabase()]);
    const sql = new Client(database.url);
    await sql.connect();
    const silent = { info: () => undefined, warn: () => undefined };
    const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
    await ensureStreams(connection, STREAMS);
    return new Testbed(nats, database, sql, connection);
  }

  async addSequencer(env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
    const sequencer = await startApp('sequencer', {
      HEARTH_NATS_URL: this.nats.url,
      HEARTH_DATABASE_URL: this.database.url,
      HEARTH_PARTITIONS: String(PARTITIONS),
      ...env,
    });
    this.sequencers.push(sequencer);
    return sequencer;
  }

  async stop(): Promise<void> {
    await Promise.all(this.sequencers.map((sequencer) => sequencer.stop()));
    this.ingest.close();
    await this.connection.close();
    await this.sql.end();
    await Promise.all([this.nats.stop(), this.database.drop()]);
  }
}
