import { encodeIngestEvent, newScheduleId } from '@hearth/protocol';
import { ensureStreams, IngestPublisher, StreamConnection, StreamSettings } from '@hearth/stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { createDatabase } from '../support/database';
import { startNats, TestNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';

const PARTITIONS = 2;
const SETTINGS: StreamSettings = {
  partitions: PARTITIONS,
  ingestMaxBytes: 64 * 1_048_576,
  deliverMaxBytes: 64 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};
const TOMORROW_MS = Date.now() + 86_400_000;

let nats: TestNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let sql: Client;
let connection: StreamConnection;
let ingest: IngestPublisher;
let sequencers: AppProcess[];

beforeEach(async () => {
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  sql = new Client(database.url);
  await sql.connect();
  const silent = { info: () => undefined, warn: () => undefined };
  connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
  await ensureStreams(await connection.manager(), SETTINGS);
  ingest = new IngestPublisher(connection, { partitions: PARTITIONS, httpTimeoutMs: 15_000, publishAck: 'stream' });
  sequencers = [];
});

afterEach(async () => {
  await Promise.all(sequencers.map((sequencer) => sequencer.stop()));
  ingest.close();
  await connection.close();
  await sql.end();
  await Promise.all([nats.stop(), database.drop()]);
});

async function startSequencer(): Promise<AppProcess> {
  const sequencer = await startApp('sequencer', {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_PARTITIONS: String(PARTITIONS),
  });
  sequencers.push(sequencer);
  return sequencer;
}

/** Parks a message until tomorrow; gives the schedule's name and the operation that asks for it. */
function scheduled(channel: string) {
  const scheduleId = newScheduleId(Date.now(), ingest.partitionOf(channel));
  const data = encodeIngestEvent(
    { requestId: 'r', channel, event: 'e', trigger: 'server.http', store: 0, emitPubSubEvent: false },
    '1',
  ).toString();
  return { scheduleId, data, operation: { kind: 'schedule', channel, scheduleId, dueMs: TOMORROW_MS } as const };
}

const cancelOf = (channel: string, scheduleId: string) =>
  ({ kind: 'cancel', partition: ingest.partitionOf(channel), scheduleId }) as const;

async function waiting(): Promise<string[]> {
  const { rows } = await sql.query<{ schedule_id: string }>('select schedule_id from schedule order by 1');
  return rows.map((row) => row.schedule_id);
}

describe('operations', () => {
  it('can be read from Postgres once they are answered, and say when they were refused', async () => {
    await startSequencer();
    const { scheduleId, data, operation } = scheduled('c');
    await ingest.perform(operation, data);
    expect(await waiting()).toEqual([scheduleId]);
    await ingest.perform(cancelOf('c', scheduleId));
    expect(await waiting()).toEqual([]);
    await expect(ingest.perform(cancelOf('c', scheduleId))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are all readable behind a barrier', async () => {
    await startSequencer();
    const all = Array.from({ length: 50 }, () => scheduled('c'));
    await Promise.all(all.map(({ operation, data }) => ingest.operate(operation, data)));
    await ingest.barrier('c');
    expect(await waiting()).toEqual(all.map(({ scheduleId }) => scheduleId).sort());
  });

  it('lose and repeat nothing when sequencers are killed between applying and saving', async () => {
    await startSequencer();
    const kept = new Set<string>();
    const killing = (async () => {
      for (let i = 0; i < 3; i++) {
        await delay(700);
        const victim = sequencers.at(-1);
        await startSequencer();
        await victim?.kill('SIGKILL');
      }
    })();
    let done = false;
    void killing.finally(() => (done = true));
    for (let i = 0; !done; i++) {
      const channel = `c${i % 5}`;
      const { scheduleId, data, operation } = scheduled(channel);
      await ingest.operate(operation, data);
      kept.add(scheduleId);
      if (i % 3 !== 0) continue;
      await ingest.operate(cancelOf(channel, scheduleId));
      kept.delete(scheduleId);
    }
    await killing;
    await Promise.all(['c0', 'c1', 'c2', 'c3', 'c4'].map((channel) => ingest.barrier(channel)));
    expect(await waiting()).toEqual([...kept].sort());
    expect(kept.size).toBeGreaterThan(50);
  });
});
