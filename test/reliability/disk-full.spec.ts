import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@hearth/store';
import { Client as Sql } from 'pg';
import { createEmptyDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { Testbed } from '../support/installation';
import { TestPostgres } from '../support/postgres';
import { itOnSmallDisks, SmallDisk } from '../support/small-disk';

const TABLESPACE = 'hearth_small';
const CHANNEL = 'c';
/** Some of these, and every table has to grow. */
const DATA = 'x'.repeat(20_000);

/** Not the one that other tests have: while the disk is full it makes no checkpoint for anybody. */
let postgres: TestPostgres | undefined;
let sql: Sql | undefined;
let folder: string;
let disk: SmallDisk | undefined;
let testbed: Testbed | undefined;

beforeAll(async () => {
  postgres = await TestPostgres.start();
  sql = new Sql(postgres.url);
  await sql.connect();
  folder = await mkdtemp(join(tmpdir(), 'hearth-test-disk-'));
});
afterAll(async () => {
  await testbed?.stop();
  await sql?.end();
  await postgres?.stop();
  await disk?.unmount();
  await rm(folder, { recursive: true, force: true });
});

/** On a disk of its own; what Postgres writes ahead is on another. */
async function databaseOnSmallDisk(): ReturnType<typeof createEmptyDatabase> {
  if (postgres === undefined || sql === undefined) throw new Error('Postgres was not started');
  const { rows } = await sql.query<{ data_directory: string }>('show data_directory');
  const { uid, gid } = statSync(rows[0]?.data_directory ?? '');
  disk = await SmallDisk.mount(folder, 64);
  execFileSync('chown', [`${uid}:${gid}`, folder]);
  await sql.query(`create tablespace ${TABLESPACE} location '${folder}'`);
  const database = await createEmptyDatabase(postgres.url, `tablespace ${TABLESPACE}`);
  await migrate(database.url);
  return database;
}

itOnSmallDisks(
  'while the disk of Postgres is full publishes are refused, and then all that was accepted comes',
  async () => {
    testbed = await Testbed.start({ HEARTH_PUBLISH_ACK: 'log', HEARTH_HTTP_TIMEOUT_MS: '1000' }, databaseOnSmallDisk);
    const bed = testbed;
    const client = await bed.connect({ channels: { [CHANNEL]: { subscribe: true, historyStart: 0 } } });
    await client.subscribe(CHANNEL);
    let published = 0;
    const accepted: string[] = [];
    const publish = async (): Promise<{ readonly status: number; readonly code: unknown }> => {
      const name = `m${published++}`;
      const document = { channel: CHANNEL, event: name, data: DATA, store: 600, deduplicationId: name };
      const { status, json } = await bed.publishOne(document);
      if (status === 202) accepted.push(name);
      return { status, code: json.error?.code };
    };
    expect((await publish()).status).toBe(202);

    await disk?.fill();
    const refused = { status: 503, code: 'SERVICE_UNAVAILABLE' };
    await eventually(async () => expect(await publish()).toEqual(refused));
    expect(await publish()).toEqual(refused);
    await disk?.makeRoom();
    await eventually(async () => expect((await publish()).status).toBe(202));

    const arrived = (): string[] =>
      client.ws.frames.map(({ event }) => event as string).filter((name) => /^m/.test(name));
    await eventually(() => expect(arrived().at(-1)).toBe(accepted.at(-1)));
    // What was refused came all the same, because its stream had it.
    expect(arrived()).toEqual([...new Set(arrived())]);
    expect(arrived().filter((name) => accepted.includes(name))).toEqual(accepted);
    const listed = (await client.list({ channel: CHANNEL })).map(({ event }) => event as string);
    expect(listed).toEqual(arrived());
  },
);
