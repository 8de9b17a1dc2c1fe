import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually';
import { PARTITIONS, Testbed } from './testbed';

const HEARTH_NODE_ID = 'sequencer-1';

let testbed: Testbed;
beforeEach(async () => {
  testbed = await Testbed.start();
});
afterEach(() => testbed.stop());

function publish(channel: string): Promise<void> {
  const event = { event: 'e', trigger: 'server.http', store: 60, emitPubSubEvent: false } as const;
  return testbed.ingest.publish({ requestId: randomUUID(), channel, ...event }, '1');
}

/** How many messages the log has, one more on each of so many channels that every partition has some. */
async function published(): Promise<number> {
  await Promise.all(Array.from({ length: 8 * PARTITIONS }, (_, n) => publish(`c${n}`)));
  return 8 * PARTITIONS;
}

const logged = async () => (await testbed.sql.query('select 1 from message_log')).rowCount;

it('a sequencer that was killed and started again under its old name works on its partitions', async () => {
  const first = await testbed.addSequencer({ HEARTH_NODE_ID });
  const before = await published();
  await eventually(async () => expect(await logged()).toBe(before));
  await sessions(1);
  await first.kill('SIGKILL');
  await testbed.addSequencer({ HEARTH_NODE_ID });
  const after = before + (await published());
  await eventually(async () => expect(await logged()).toBe(after));
});

/** How many partitions each owner has. */
async function shares(): Promise<number[]> {
  const owners = 'select owner, count(*)::int from partition_state where owner is not null group by owner';
  return (await testbed.sql.query<{ count: number }>(owners)).rows.map(({ count }) => count);
}

it('two sequencers of one name share the partitions, and one goes on when the other ends', async () => {
  const first = await testbed.addSequencer({ HEARTH_NODE_ID });
  await testbed.addSequencer({ HEARTH_NODE_ID });
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  await first.stop();
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS]));
  const sent = await published();
  await eventually(async () => expect(await logged()).toBe(sent));
});

/** The leases that nobody has ended, whether their time has come or not. */
async function leases(): Promise<{ node_id: string; session: string | null; expires_at: Date; lasts: boolean }[]> {
  const query = 'select node_id, session, expires_at, expires_at > clock_timestamp() as lasts from sequencer_lease';
  return (await testbed.sql.query(query)).rows;
}

/** The sessions that hold the locks of so many sequencers. */
function sessions(count: number): Promise<string[]> {
  return eventually(async () => {
    const told = (await leases()).flatMap(({ session }) => session ?? []);
    expect(told).toHaveLength(count);
    return told;
  });
}

it('a killed sequencer is succeeded without waiting for the end of its lease', async () => {
  const killed = await testbed.addSequencer({ HEARTH_NODE_ID: 'killed' });
  await testbed.addSequencer({ HEARTH_NODE_ID: 'other' });
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  await sessions(2);
  await killed.kill('SIGKILL');
  const extend = `update sequencer_lease set expires_at = now() + interval '1 hour' where node_id like 'killed.%'`;
  expect((await testbed.sql.query(extend)).rowCount).toBe(1);
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS]));
});

it('a sequencer that cannot give back what another is to have keeps its lease, and its own partitions', async () => {
  const first = await testbed.addSequencer({ HEARTH_NODE_ID: 'first' });
  const leaseOf = async (name: string) => (await leases()).find(({ node_id }) => node_id.startsWith(`${name}.`));
  // Whatever it writes of its partitions waits from now on.
  await testbed.sql.query('begin');
  await testbed.sql.query('select from partition_state for update');
  await testbed.addSequencer({ HEARTH_NODE_ID: 'second' });
  const before = await eventually(async () => {
    expect(await leaseOf('second')).toBeDefined();
    return leaseOf('first');
  });
  const hasPassed = 'select clock_timestamp() > $1::timestamptz as passed';
  await eventually(async () => {
    const { rows } = await testbed.sql.query<{ passed: boolean }>(hasPassed, [before?.expires_at]);
    expect(rows[0]?.passed).toBe(true);
  });
  expect(await leaseOf('first')).toMatchObject({ lasts: true });
  await testbed.sql.query('rollback');
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  expect(first.lines.filter((line) => line.includes('another sequencer owns'))).toEqual([]);
});

it('sequencers that renew their leases keep their partitions when the clock of Postgres is set ahead', async () => {
  await testbed.sql.query(`
    create schema fake;
    create table fake.ahead (seconds) as select 0;
    create function fake.now() returns timestamptz language sql stable
      return pg_catalog.now() + (select seconds from fake.ahead) * interval '1 second';
    do $$ begin execute format('alter database %I set search_path = fake, pg_catalog, public', current_database()); end $$`);
  const nodes = [await testbed.addSequencer(), await testbed.addSequencer()];
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  const claims = async () =>
    (await testbed.sql.query('select partition, owner, epoch from partition_state order by 1')).rows;
  const before = await claims();
  for (let n = 0; n < 8; n++) {
    await testbed.sql.query('update fake.ahead set seconds = seconds + 40');
    await delay(700);
  }
  expect(await claims()).toEqual(before);
  expect(nodes.flatMap(({ lines }) => lines).filter((line) => line.includes('another sequencer owns'))).toEqual([]);
});

it('what a dead sequencer had is taken over although the clock of Postgres, set back, says that its lease lasts', async () => {
  // It makes the partitions.
  await (await testbed.addSequencer()).stop();
  await testbed.sql.query(`insert into sequencer_lease values ('dead', now() + interval '1 hour', null)`);
  await testbed.sql.query(`update partition_state set owner = 'dead'`);
  await testbed.addSequencer();
  await eventually(async () => {
    const [lease, ...others] = await leases();
    const owned = await testbed.sql.query('select from partition_state where owner = $1', [lease?.node_id]);
    expect([owned.rowCount, others]).toEqual([PARTITIONS, []]);
  });
  expect(await shares()).toEqual([PARTITIONS]);
});

it('a sequencer whose connection breaks holds a lock in another session, and says so', async () => {
  await testbed.addSequencer();
  await testbed.addSequencer();
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
  const before = await sessions(2);
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity
                where application_name = 'hearth-lock' and datname = current_database()`;
  expect((await testbed.sql.query(cut)).rowCount).toBe(2);
  await eventually(async () => expect(new Set([...before, ...(await sessions(2))]).size).toBe(4));
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
});

/** Every partition is worked on: one that nobody works on stands still. */
async function allGoOn(before = 0): Promise<number> {
  const sent = before + (await published());
  await eventually(async () => expect(await logged()).toBe(sent));
  return sent;
}

it('a partition whose claim was never answered is claimed again', async () => {
  await testbed.addSequencer();
  const sent = await allGoOn();
  // So it is after a connection broke between the commit and its answer.
  await testbed.sql.query('update partition_state set epoch = epoch + 1');
  await allGoOn(sent);
});

it('a partition that could not be given back is given back later', async () => {
  const first = await testbed.addSequencer();
  await testbed.sql.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
    create trigger refuse before update on partition_state for each row when (new.owner is null) execute function refuse()`);
  await testbed.addSequencer();
  await eventually(() => expect(first.lines.join('\n')).toContain('partition not given back'));
  await testbed.sql.query('drop trigger refuse on partition_state');
  await eventually(async () => expect(await shares()).toEqual([PARTITIONS / 2, PARTITIONS / 2]));
});
