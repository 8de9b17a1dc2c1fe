import { changedDenials, type Database, denialVersion, openDatabase, putDenials } from '@hearth/store';
import { sql } from 'kysely';
import { createDatabase } from '../support/database';

/** What is denied, as it is kept (management-api §3, §4). */
let scratch: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;

beforeAll(async () => {
  scratch = await createDatabase();
  database = openDatabase(scratch.url, { applicationName: 'test' });
});
afterAll(async () => {
  await database.close();
  await scratch.drop();
});

const farewell = { reason: 'Bye', reconnect: false, except: ['c'] };
const user = (uid: string, endsInMs: number | null) =>
  ({ kind: 'refusedUser', names: [uid], endsInMs, farewell }) as const;

it('gives what is denied together one version, and tells what has changed since another', async () => {
  const before = await denialVersion(database.db);
  const stored = await putDenials(database.db, [user('a', 60_000), user('b\ud800\u0000', null)]);
  expect(new Set(stored.map(({ version }) => version))).toEqual(new Set([before + 1]));
  const changed = await changedDenials(database.db, before, false);
  expect(changed.map(({ kind, names, farewell: said }) => ({ kind, names, said }))).toEqual([
    { kind: 'refusedUser', names: ['a'], said: farewell },
    { kind: 'refusedUser', names: ['b\ud800\u0000'], said: farewell },
  ]);
  expect(changed[0]?.endsInMs).toBeGreaterThan(0);
  expect(changed[1]?.endsInMs).toBeNull();
  expect(await changedDenials(database.db, before + 1, true)).toEqual([]);
});

it('shows no version before all earlier ones, however many write at once', async () => {
  const before = await denialVersion(database.db);
  const seen = new Set<number>();
  let last = before;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let n = 0; n < 20; n++) await putDenials(database.db, [user(`w${writer}.${n}`, 60_000)]);
  });
  const all = Promise.all(writers);
  let isDone = false;
  void all.then(() => (isDone = true));
  while (!isDone || seen.size < 160) {
    for (const { version } of await changedDenials(database.db, last, true)) {
      seen.add(version);
      last = version;
    }
  }
  await all;
  expect([...seen]).toEqual(Array.from({ length: 160 }, (_, n) => before + 1 + n));
});

it('keeps the later end of what is denied again, under the same id', async () => {
  const [first] = await putDenials(database.db, [user('again', 60_000)]);
  const [shorter] = await putDenials(database.db, [user('again', 1_000)]);
  expect([shorter?.id, shorter?.endsMs]).toEqual([first?.id, first?.endsMs]);
  const [longer] = await putDenials(database.db, [user('again', 120_000)]);
  expect(longer?.endsMs).toBeGreaterThan((first?.endsMs ?? 0) + 30_000);
  const [ever] = await putDenials(database.db, [user('again', null)]);
  expect([ever?.id, ever?.endsMs]).toEqual([first?.id, null]);
  expect((await putDenials(database.db, [user('again', 1_000)]))[0]?.endsMs).toBeNull();
});

it('tells for an hour of what has ended, and then forgets it', async () => {
  const [ended] = await putDenials(database.db, [user('ended', 60_000)]);
  const endAgo = (interval: string) =>
    sql`update denial set ends_at = now() - ${interval}::interval where id = ${ended?.id}`.execute(database.db);
  await endAgo('1 minute');
  const before = (ended?.version ?? 0) - 1;
  const idsOf = async (withEnded: boolean) =>
    (await changedDenials(database.db, before, withEnded)).map(({ id }) => id);
  expect(await idsOf(false)).not.toContain(ended?.id);
  expect((await changedDenials(database.db, before, true))[0]).toMatchObject({ id: ended?.id, endsInMs: -1 });
  // What is denied then is another denial.
  const [anew] = await putDenials(database.db, [user('ended', 60_000)]);
  expect(anew?.id).not.toBe(ended?.id);
  await sql`update denial set ends_at = now() - interval '61 minutes' where id = ${anew?.id}`.execute(database.db);
  await putDenials(database.db, [user('other', 1_000)]);
  expect(await idsOf(true)).not.toContain(anew?.id);
});
