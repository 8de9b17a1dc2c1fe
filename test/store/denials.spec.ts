import {
  changedDenials,
  denialsInForce,
  denialVersion,
  endRevocation,
  endRevocationWithToken,
  findRevocation,
  hasRevocations,
  listRevocations,
  putDenial,
  putDenials,
  revocationOf,
} from '@hearth/store';
import { sql } from 'kysely';
import { testDatabase } from './test-database';

/** What is denied, as it is kept (management-api §3, §4). */
const database = testDatabase();

const farewell = { reason: 'Bye', reconnect: false, except: ['c'] };
const user = (uid: string, endsInMs: number | null) =>
  ({ kind: 'refusedUser', names: [uid], endsInMs, farewell }) as const;

it('gives what is denied together one version, and tells what has changed since another', async () => {
  const before = await denialVersion(database.db);
  const stored = await putDenials(database.db, [user('a', 60_000), user('b\ud800\u0000', null)]);
  expect(new Set(stored.map(({ version }) => version))).toEqual(new Set([before + 1]));
  const changed = await changedDenials(database.db, before);
  const inForce = await denialsInForce(database.db, before);
  expect(changed.map(({ kind, names, farewell: said }) => ({ kind, names, said }))).toEqual([
    { kind: 'refusedUser', names: ['a'], said: farewell },
    { kind: 'refusedUser', names: ['b\ud800\u0000'], said: farewell },
  ]);
  expect(changed[0]?.endsInMs).toBeGreaterThan(0);
  expect(changed[1]?.endsInMs).toBeNull();
  // Whoever reads all that is in force learns the same.
  expect(inForce).toEqual(
    changed.map(({ version, kind, names, sinceMs, farewell: said }, n) => ({
      ...{ version, kind, names, sinceMs, farewell: said, endsWithToken: false },
      endsInMs: n === 0 ? expect.any(Number) : null,
    })),
  );
  expect(await changedDenials(database.db, before + 1)).toEqual([]);
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
    for (const { version } of await changedDenials(database.db, last)) {
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
  const namesInForce = (await denialsInForce(database.db, before)).map(({ names }) => names);
  expect(namesInForce).not.toContainEqual(['ended']);
  expect((await changedDenials(database.db, before))[0]).toMatchObject({ id: ended?.id, endsInMs: -1 });
  // What is denied then is another denial.
  const [anew] = await putDenials(database.db, [user('ended', 60_000)]);
  expect(anew?.id).not.toBe(ended?.id);
  await sql`update denial set ends_at = now() - interval '61 minutes' where id = ${anew?.id}`.execute(database.db);
  await putDenials(database.db, [user('other', 1_000)]);
  expect((await changedDenials(database.db, before)).map(({ id }) => id)).not.toContain(anew?.id);
});

describe('a revocation', () => {
  const ofToken = (jti: string, endsInMs: number | null) =>
    ({ kind: 'revokedToken', names: [jti], endsInMs, reason: 'Stolen' }) as const;

  it('is found by id and target until it has ended or is taken back', async () => {
    const { stored, isNew } = await putDenial(database.db, ofToken('a', 60_000));
    expect([isNew, (await putDenial(database.db, ofToken('a', 60_000))).isNew]).toEqual([true, false]);
    expect((await findRevocation(database.db, stored.id))?.reason).toBe('Stolen');
    expect((await revocationOf(database.db, { kind: 'revokedToken', names: ['a'] }))?.id).toBe(stored.id);
    expect(await findRevocation(database.db, 'x')).toBeUndefined();
    const [refusal] = await putDenials(database.db, [user('no-revocation', 60_000)]);
    expect(await findRevocation(database.db, refusal?.id ?? '')).toBeUndefined();
    expect(await endRevocation(database.db, refusal?.id ?? '')).toBeUndefined();

    const ended = await endRevocation(database.db, stored.id);
    expect(ended).toMatchObject({ id: stored.id, endsInMs: -1 });
    const news = await changedDenials(database.db, (ended?.version ?? 0) - 1);
    expect(news).toMatchObject([{ id: stored.id, endsInMs: -1, names: ['a'] }]);
    expect(await findRevocation(database.db, stored.id)).toBeUndefined();
    const before = await denialVersion(database.db);
    expect(await endRevocation(database.db, stored.id)).toBeUndefined();
    expect(await denialVersion(database.db)).toBe(before);
  });

  it('of a jti ends with the last token that was seen, unless it shall never end', async () => {
    const inAnHour = Date.now() + 3_600_000;
    await putDenial(database.db, ofToken('b', 60_000));
    expect((await endRevocationWithToken(database.db, 'b', inAnHour))?.endsMs).toBe(inAnHour);
    expect((await endRevocationWithToken(database.db, 'b', inAnHour - 1_000))?.endsMs).toBeUndefined();
    expect((await endRevocationWithToken(database.db, 'b', inAnHour + 1_000))?.endsMs).toBe(inAnHour + 1_000);
    await putDenial(database.db, ofToken('c', null));
    expect(await endRevocationWithToken(database.db, 'c', inAnHour)).toBeUndefined();
    expect(await endRevocationWithToken(database.db, 'unknown', inAnHour)).toBeUndefined();
  });

  it('is one of a bounded number', async () => {
    const listed = await listRevocations(database.db, '', 1_000);
    expect(listed.map(({ id }) => id)).toEqual(listed.map(({ id }) => id).sort());
    expect(await listRevocations(database.db, listed.at(-1)?.id ?? '', 1_000)).toEqual([]);
    expect(await hasRevocations(database.db, listed.length + 100)).toBe(false);
    expect(await hasRevocations(database.db, listed.length)).toBe(true);
  });
});
