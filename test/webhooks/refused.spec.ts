import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import type { Receiver } from './receiver';
import { admin, Testbed } from './testbed';

/** What Postgres refuses for what it is, however often it is tried: no other event may wait for that. */
let testbed: Testbed;
let receiver: Receiver;

beforeEach(async () => {
  testbed = await Testbed.open();
  receiver = await testbed.receiver();
});
afterEach(() => testbed.close());

const refuse = (table: string, what: string) => testbed.sql.query(`alter table ${table} add check (not (${what}))`);

/** What fits cannot be deleted any more. */
const keep = (what: string) =>
  testbed.sql.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;
    create trigger refuse before delete on webhook_waiting for each row when (${what}) execute function refuse()`);

async function refused(process: AppProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${process.adminPort}/metrics`)).text();
  const samples = text.matchAll(/^hearth_refused_by_database_total\{table="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...samples].map(([, table, count]) => [table, Number(count)]));
}

const waiting = async () => (await testbed.sql.query('select from webhook_waiting')).rowCount;

it('an event that cannot be written down is left out, and said; those around it come, in order', async () => {
  await refuse('webhook_waiting', `channel = 'poison'`);
  const process = await testbed.start(receiver.url);
  for (const [n, channel] of ['c', 'poison', 'c', 'd', 'poison', 'c'].entries()) await testbed.emit(channel, n);
  await eventually(() => expect([receiver.numbers('c'), receiver.numbers('d')]).toEqual([[0, 2, 5], [3]]));
  expect(receiver.numbers('poison')).toEqual([]);
  expect(await refused(process)).toEqual({ webhook_waiting: 2 });
  expect(process.lines.filter((line) => line.includes('"channel":"poison"'))).toHaveLength(2);
});

it('a failed attempt that cannot be noted is followed by the next', async () => {
  await refuse('webhook_waiting', 'attempts > 0');
  receiver.behaviour = () => (receiver.deliveries.length === 1 ? 500 : 200);
  const process = await testbed.start(receiver.url);
  await testbed.emit('c', 1);
  await eventually(() => expect(receiver.numbers('c')).toEqual([1]));
  await eventually(async () => expect(await waiting()).toBe(0));
  expect(await refused(process)).toEqual({ webhook_waiting: 1 });
});

it('an event that cannot be a dead letter is given up all the same, and those behind it come', async () => {
  await refuse('webhook_dead_letter', `channel = 'c'`);
  receiver.behaviour = ({ n }) => (n === 1 ? 500 : 200);
  const process = await testbed.start(receiver.url, { HEARTH_WEBHOOK_MAX_ATTEMPTS: '1' });
  for (const n of [1, 2]) await testbed.emit('c', n);
  await eventually(() => expect(receiver.numbers('c')).toEqual([2]));
  await eventually(async () => expect(await waiting()).toBe(0));
  expect(await refused(process)).toEqual({ webhook_dead_letter: 1 });
});

it('one event that cannot be taken off the list does not keep the others there', async () => {
  await keep(`old.channel = 'poison'`);
  const process = await testbed.start(receiver.url);
  for (const channel of ['c', 'poison', 'd']) await testbed.emit(channel, 1);
  await eventually(() => expect(receiver.accepted).toHaveLength(3));
  await eventually(async () => expect(await waiting()).toBe(1));
  await testbed.emit('c', 2);
  await eventually(() => expect(receiver.numbers('c')).toEqual([1, 2]));
  await eventually(async () => expect(await waiting()).toBe(1));
  expect(await refused(process)).toEqual({ webhook_waiting: 1 });
});

it('an event that cannot be taken off the list is not sent again with those behind it, which all come', async () => {
  await keep(`convert_from(old.payload, 'utf8')::json -> 'data' ->> 'n' = '1'`);
  receiver.behaviour = () => (receiver.deliveries.length === 2 ? 500 : 200);
  const process = await testbed.start(receiver.url);
  await testbed.emit('c', 1);
  await eventually(async () => expect(await refused(process)).toEqual({ webhook_waiting: 1 }));
  // It fails once, and is loaded then.
  await testbed.emit('c', 2);
  await eventually(() => expect(receiver.numbers('c').at(-1)).toBe(2));
  await eventually(async () => expect(await waiting()).toBe(1));
  await testbed.emit('c', 3);
  await eventually(() => expect(receiver.deliveries.map(({ n }) => n)).toEqual([1, 2, 2, 3]));
  expect(await refused(process)).toEqual({ webhook_waiting: 1 });
});

it('an event that is given up, and cannot be taken off the list, does not keep those behind it from coming', async () => {
  await keep(`convert_from(old.payload, 'utf8')::json -> 'data' ->> 'n' = '1'`);
  receiver.behaviour = ({ n }) => (n === 1 ? 500 : 200);
  const process = await testbed.start(receiver.url, { HEARTH_WEBHOOK_MAX_ATTEMPTS: '1' });
  for (const n of [1, 2]) await testbed.emit('c', n);
  await eventually(() => expect(receiver.numbers('c')).toEqual([2]));
  await eventually(async () => expect(await waiting()).toBe(1));
  expect(await refused(process)).toEqual({ webhook_dead_letter: 1, webhook_waiting: 1 });
});

it('a dead letter that cannot wait again stays one, and the others are sent', async () => {
  receiver.behaviour = () => 500;
  const process = await testbed.start(receiver.url, { HEARTH_WEBHOOK_MAX_ATTEMPTS: '1' });
  for (const channel of ['c', 'poison', 'd']) await testbed.emit(channel, 1);
  const letters = async () =>
    (await admin(process, '/webhooks/dead-letters')).body.deadLetters as { channel: string }[];
  await eventually(async () => expect(await letters()).toHaveLength(3));
  await refuse('webhook_waiting', `channel = 'poison'`);
  receiver.behaviour = () => 200;
  expect((await admin(process, '/webhooks/dead-letters/retry', 'POST')).status).toBe(202);
  await eventually(() => expect([receiver.numbers('c'), receiver.numbers('d')]).toEqual([[1], [1]]));
  await eventually(async () => expect(await refused(process)).toEqual({ webhook_waiting: 1 }));
  expect(await letters()).toMatchObject([{ channel: 'poison', retryRequestedAt: null }]);
  await testbed.emit('d', 2);
  await eventually(() => expect(receiver.numbers('d')).toEqual([1, 2]));
});
