import {
  endedStorageEntries,
  ensurePartitions,
  listStorageEntries,
  readStorageEntry,
  snapshotStorageEntries,
} from '@hearth/store';
import { lastEventSequence } from '@hearth/wire';
import { sql } from 'kysely';
import { testDatabase } from './test-database';

describe('storage entries', () => {
  const database = testDatabase();

  beforeAll(async () => {
    await ensurePartitions(database.db, 2);
  });
  afterEach(() => database.db.deleteFrom('channel_storage').execute());

  const META = '{"uid":null,"umd":null}';

  async function put(
    ...entries: (Partial<{ channel: string; partition: number; expires_ms: number; data: string }> & { key: string })[]
  ) {
    const rows = entries.map((entry) => ({
      channel: 'c',
      partition: 1,
      data: '1',
      meta: META,
      expires_ms: null,
      emit_event: false,
      origin: '{}',
      ...entry,
    }));
    await database.db.insertInto('channel_storage').values(rows).execute();
  }

  const list = (request: Partial<Parameters<typeof listStorageEntries>[1]> = {}) =>
    listStorageEntries(database.db, { channel: 'c', ...request });
  const keys = ({ entries }: { entries: readonly { key: string }[] }) => entries.map(({ key }) => key);

  it('come in the order of the UTF-8 bytes of their keys', async () => {
    // UTF-16 would put the pair of surrogates before U+FF01.
    const inOrder = ['!', 'B', 'a', 'a-', 'a-b', 'ab', 'é', '日本', '！', '😀'];
    await put(...[...inOrder].reverse().map((key) => ({ key })), { channel: 'c2', key: 'other' });
    expect(keys(await list())).toEqual(inOrder);
    expect(keys(await list({ after: '日本' }))).toEqual(['！', '😀']);
    expect(keys(await list({ keys: ['😀', 'missing', 'a', 'a'] }))).toEqual(['a', '😀']);
  });

  it('are invisible from the moment they end, and are found for removal then', async () => {
    const now = Date.now();
    await put(
      { key: 'ended', expires_ms: now - 1 },
      { key: 'earlier', expires_ms: now - 1_000 },
      { key: 'lives', expires_ms: now + 60_000 },
      { key: 'elsewhere', expires_ms: now - 1, partition: 0 },
    );
    expect(keys(await list())).toEqual(['lives']);
    expect(await readStorageEntry(database.db, 'c', 'ended')).toBeUndefined();
    expect(await readStorageEntry(database.db, 'c', 'lives')).toEqual({ key: 'lives', data: '1', meta: META });
    expect(await endedStorageEntries(database.db, [1], 10)).toEqual([
      { channel: 'c', key: 'earlier', expiresMs: now - 1_000 },
      { channel: 'c', key: 'ended', expiresMs: now - 1 },
    ]);
    expect((await endedStorageEntries(database.db, [0, 1], 1)).map(({ key }) => key).sort()).toEqual([
      'earlier',
      'elsewhere',
    ]);
    expect(await endedStorageEntries(database.db, [], 10)).toEqual([]);
  });

  it('are cut at the number of entries and at their bytes, whichever comes first', async () => {
    const data = JSON.stringify('é'.repeat(50));
    await put(...Array.from({ length: 5 }, (_, i) => ({ key: `k"${i}`, data })));
    const bytes = Buffer.byteLength(`{"key":"k\\"0","data":${data},"meta":${META}},`);
    const sizes = async (request: object) => {
      const { entries, hasMore } = await list(request);
      return [entries.length, hasMore];
    };
    expect(await sizes({})).toEqual([5, false]);
    expect(await sizes({ limit: 3 })).toEqual([3, true]);
    expect(await sizes({ maxBytes: 2 * bytes })).toEqual([2, true]);
    expect(await sizes({ maxBytes: 2 * bytes - 1 })).toEqual([1, true]);
    expect(await sizes({ maxBytes: 1 })).toEqual([1, true]);
    expect(await sizes({ after: 'z' })).toEqual([0, false]);
  });

  it('are read together with the position they are as of', async () => {
    await sql`update partition_state set stream_epoch = 3, seq = 42 where partition = 1`.execute(database.db);
    const snapshot = () => snapshotStorageEntries(database.db, 1, { channel: 'c' });
    expect(await snapshot()).toEqual({
      entries: [],
      hasMore: false,
      position: { epoch: 3, sequence: lastEventSequence(42) },
    });
    await put({ key: 'b' }, { key: 'a', data: '[]' });
    expect(await snapshot()).toEqual({
      entries: [
        { key: 'a', data: '[]', meta: META },
        { key: 'b', data: '1', meta: META },
      ],
      hasMore: false,
      position: { epoch: 3, sequence: lastEventSequence(42) },
    });
  });
});
