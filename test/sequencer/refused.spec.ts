import { encodeIngestEvent, newScheduleId } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import { Testbed } from './testbed';

/** What Postgres refuses for what it is, however often it is tried: nothing else may wait for it (the door lets none of that in). */
let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
  for (const [table, column] of Object.entries(REFUSING))
    await testbed.sql.query(`alter table ${table} add check (${column} not like '%poison%')`);
  // As a programming language of the database refuses, in its own words.
  await testbed.sql.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;
    create trigger refuse before insert on schedule for each row when (new.payload like '%poison%') execute function refuse()`);
  await testbed.addSequencer();
}, 90_000);
afterAll(() => testbed?.stop());

const REFUSING = { channel_storage: 'data', message_reaction: 'reaction', message_log: 'data', waiting_event: 'event' };
const CHANNEL = 'c';
const INTERNAL = { code: 'INTERNAL_ERROR' };
const now = Date.now();

async function list(query: string): Promise<unknown[]> {
  return (await testbed.sql.query<{ value: string }>(`select ${query} order by 1`)).rows.map(({ value }) => value);
}

async function refused(): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${testbed.sequencers[0]!.adminPort}/metrics`)).text();
  const samples = text.matchAll(/^hearth_refused_by_database_total\{table="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...samples].map(([, table, count]) => [table, Number(count)]));
}

const publish = (data: string, more: object = {}): Promise<unknown> =>
  testbed.ingest.publish(
    {
      requestId: randomUUID(),
      channel: CHANNEL,
      event: 'e',
      trigger: 'server.http',
      store: 600,
      emitPubSubEvent: false,
      ...more,
    },
    JSON.stringify(data),
  );

const write = (key: string, data: string) => {
  const ofKey = { channel: CHANNEL, key, store: 600, emitPubSubEvent: false, meta: '{"uid":null,"umd":null}' };
  const sender = { trigger: 'server.http', requestId: randomUUID() } as const;
  return testbed.ingest.perform({ kind: 'storage', ...ofKey, ...sender }, JSON.stringify(data));
};

it('one message of a batch is left out, and the others are kept in their order', async () => {
  const all = Array.from({ length: 60 }, (_, n) => (n === 17 || n === 42 ? `poison ${n}` : `m ${n}`));
  await Promise.all(all.map((data) => publish(data)));
  const kept = all.filter((data) => !data.startsWith('poison')).map((data) => JSON.stringify(data));
  const inOrder = async (): Promise<unknown[]> =>
    (await testbed.sql.query<{ data: string }>('select data from message_log order by id')).rows.map(
      ({ data }) => data,
    );
  await eventually(async () => expect(await inOrder()).toEqual(kept));
  expect(await refused()).toMatchObject({ message_log: 2 });
});

it('one storage entry of many is left out, and whoever asked for that is told', async () => {
  const answers = await Promise.allSettled(
    Array.from({ length: 30 }, (_, n) => write(`k${n}`, n === 11 ? 'poison' : `v${n}`)),
  );
  expect(answers.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([11]);
  expect(answers[11]).toMatchObject({ reason: INTERNAL });
  expect(await list('count(*)::int as value from channel_storage')).toEqual([29]);
  expect(await refused()).toMatchObject({ channel_storage: 1 });
  // Nothing is left that would be tried again, and the partition goes on.
  await write('k11', 'well');
  await publish('after it');
  await eventually(async () =>
    expect(await list(`data as value from message_log where data like '%after it%'`)).toHaveLength(1),
  );
});

it('one schedule of many is left out, and whoever asked for that is told', async () => {
  const park = (data: string) => {
    const scheduleId = newScheduleId(now, testbed.ingest.partitionOf(CHANNEL));
    const event = {
      requestId: 'r',
      channel: CHANNEL,
      event: 'e',
      trigger: 'server.http',
      store: 0,
      emitPubSubEvent: false,
    };
    const operation = { kind: 'schedule', channel: CHANNEL, scheduleId, dueMs: now + 86_400_000 } as const;
    return testbed.ingest.perform(operation, encodeIngestEvent(event as never, JSON.stringify(data)).toString());
  };
  const answers = await Promise.allSettled(['a', 'poison', 'b'].map(park));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(answers[1]).toMatchObject({ reason: INTERNAL });
  expect(await list('count(*)::int as value from schedule')).toEqual([2]);
});
