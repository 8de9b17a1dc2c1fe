import { StreamConnection } from '@hearth/stream';
import { Client } from 'pg';
import { createDatabase } from '../support/database';
import { delivered, type Delivered } from '../support/delivered';
import { eventually } from '../support/eventually';
import { startNats, TestNats } from '../support/nats';
import { pauseProcess, resumeProcess } from '../support/pause-process';
import { AppProcess, startApp } from '../support/process';
import { errorOf, PARTITIONS, post, postAll, startPublishApi } from './publish-api';

/** What becomes of a publish once a sequencer has it: two publish-api nodes, one sequencer (publish-api §12.3–§12.6). */

let nats: TestNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let apps: AppProcess[];
let urls: [string, string];
let connection: StreamConnection;
let marks = 0;

beforeAll(async () => {
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  const sequencer = startApp('sequencer', {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_PARTITIONS: String(PARTITIONS),
    HEARTH_DEDUPLICATION_SECONDS: '3',
  });
  apps = await Promise.all([startPublishApi(nats), startPublishApi(nats), sequencer]);
  urls = [`${apps[0]!.httpUrl}/publish`, `${apps[1]!.httpUrl}/publish`];
  const silent = { info: () => undefined, warn: () => undefined };
  connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
});
afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  await connection.close();
  await Promise.all([nats.stop(), database.drop()]);
});

/** What was delivered on some channels, in order: a mark published behind it on each says when that is all. */
async function deliveredOn(...channels: string[]): Promise<Delivered[]> {
  const mark = `mark ${marks++}`;
  for (const channel of channels) await post(urls[0], { channel, event: mark });
  const open = new Set(channels);
  const all = await delivered(
    connection,
    ({ event, channel }) => event === mark && open.delete(channel) && open.size === 0,
  );
  return all.filter(({ channel, event }) => channels.includes(channel) && !event.startsWith('mark '));
}

describe('publish-api with a sequencer', () => {
  it('delivers null for absent data, and false, 0 and "" as they are', async () => {
    for (const more of [{}, { data: false }, { data: 0 }, { data: '' }, { data: null }]) {
      await post(urls[0], { channel: 'falsy', event: 'e', ...more });
    }
    expect((await deliveredOn('falsy')).map(({ data }) => data)).toEqual([null, false, 0, '', null]);
  });

  it('delivers one of two messages with one deduplicationId, and answers both alike', async () => {
    const document = { channel: 'same', event: 'e', deduplicationId: 'same-1' };
    const first = await post(urls[0], { ...document, data: 1 });
    const second = await post(urls[1], { ...document, data: 2 });
    expect([second.status, second.text]).toEqual([first.status, first.text]);
    expect((await deliveredOn('same')).map(({ data }) => data)).toEqual([1]);
  });

  it('does so across channels, and when both come at the same time on two nodes', async () => {
    const pairs = Array.from({ length: 20 }, (_, n) => n);
    const answers = await Promise.all(
      pairs.flatMap((n) =>
        urls.map((url, node) =>
          post(url, { channel: `node${node}`, event: 'e', data: n, deduplicationId: `pair-${n}` }),
        ),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(202));
    const all = await deliveredOn('node0', 'node1');
    expect(all.map(({ data }) => Number(data)).sort((a, b) => a - b)).toEqual(pairs);
  });

  it('does not take a refused request for the first', async () => {
    const document = { channel: 'refused', event: 'e', deduplicationId: 'refused-1' };
    expect((await post(urls[0], { ...document, store: -2 })).status).toBe(400);
    await post(urls[0], { ...document, data: 'accepted' });
    expect((await deliveredOn('refused')).map(({ data }) => data)).toEqual(['accepted']);
  });

  it('delivers it again after the window', async () => {
    const document = { channel: 'again', event: 'e', deduplicationId: 'again-1' };
    await post(urls[0], document);
    expect(await deliveredOn('again')).toHaveLength(1);
    await eventually(async () => {
      await post(urls[1], document);
      expect(await deliveredOn('again')).toHaveLength(2);
    });
  });

  it('promises different ids to both of two duplicates, of which only the first ever appears', async () => {
    const document = { channel: 'eager', event: 'e', deduplicationId: 'eager-1', eagerIdGeneration: true, store: -1 };
    const ids: string[] = [];
    for (const url of urls) ids.push((JSON.parse((await post(url, document)).text) as { id: string }).id);
    expect(new Set(ids).size).toBe(2);
    expect((await deliveredOn('eager')).map(({ id }) => id)).toEqual([ids[0]]);
  });

  it('gives rising ids to 2,000 messages of one channel that come over two nodes at the same time', async () => {
    const sent = Array.from({ length: 2_000 }, (_, n) => n);
    const answers = await postAll(
      urls,
      sent.map((data) => ({ channel: 'order', event: 'e', data })),
    );
    expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
    const all = await deliveredOn('order');
    const ids = all.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(all.map(({ data }) => Number(data)).sort((a, b) => a - b)).toEqual(sent);
  });

  it('answers after the commit where that was asked for, and 503 where nobody commits', async () => {
    const patient = await startPublishApi(nats, { HEARTH_PUBLISH_ACK: 'log', HEARTH_HTTP_TIMEOUT_MS: '1500' });
    const url = `${patient.httpUrl}/publish`;
    const sql = new Client(database.url);
    await sql.connect();
    try {
      for (let data = 0; data < 20; data++) {
        expect((await post(url, { channel: 'log', event: 'e', data, store: -1 })).status).toBe(202);
        const { rowCount } = await sql.query("select 1 from message_log where channel = 'log'");
        expect(rowCount).toBe(data + 1);
      }
      const duplicate = { channel: 'log', event: 'e', deduplicationId: 'log-1' };
      for (const url of [`${patient.httpUrl}/publish`, `${patient.httpUrl}/publish`]) {
        expect((await post(url, duplicate)).status).toBe(202);
      }
      await pauseProcess(apps[2]!.pid);
      const unanswered = await post(url, { channel: 'log', event: 'e' });
      expect([unanswered.status, errorOf(unanswered).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      resumeProcess(apps[2]!.pid);
      expect((await post(url, { channel: 'log', event: 'e' })).status).toBe(202);
    } finally {
      resumeProcess(apps[2]!.pid);
      await sql.end();
      await patient.stop();
    }
  });

  it('says no, where the commit is waited for, to what Postgres refuses, and yes to what comes with it', async () => {
    const patient = await startPublishApi(nats, { HEARTH_PUBLISH_ACK: 'log' });
    const sql = new Client(database.url);
    await sql.connect();
    try {
      await sql.query(`alter table message_log add constraint refuses check (event <> 'refused')`);
      const events = Array.from({ length: 20 }, (_, n) => (n % 5 === 0 ? 'refused' : 'e'));
      const answers = await Promise.all(
        events.map((event) => post(`${patient.httpUrl}/publish`, { channel: 'constraint', event, store: -1 })),
      );
      expect(answers.map(({ status }) => status)).toEqual(events.map((event) => (event === 'e' ? 202 : 500)));
      expect(errorOf(answers[0]!).code).toBe('INTERNAL_ERROR');
      const { rowCount } = await sql.query("select 1 from message_log where channel = 'constraint'");
      expect(rowCount).toBe(16);
    } finally {
      await sql.query('alter table message_log drop constraint if exists refuses');
      await sql.end();
      await patient.stop();
    }
  });
});
