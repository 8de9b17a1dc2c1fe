import {
  appendMessages,
  findMessage,
  listMessages,
  messagesBetween,
  newestMessages,
  type StoredMessage,
} from '@hearth/store';
import { sql } from 'kysely';
import { encodeTime } from 'ulid';
import { logRow } from './log-row';
import { testDatabase } from './test-database';

describe('history', () => {
  const database = testDatabase();

  afterEach(() => database.db.deleteFrom('message_log').execute());

  const page = (options: Partial<Parameters<typeof listMessages>[1]> = {}) =>
    listMessages(database.db, { channel: 'c1', sinceMs: 0, ...options });
  const ids = (messages: readonly { readonly id: string }[]) => messages.map((message) => message.id);
  /** As the client HTTP API writes it (client-http-api §3.2). */
  const serialised = (m: StoredMessage) =>
    `{"id":"${m.id}","event":${JSON.stringify(m.event)},"channel":${JSON.stringify(m.channel)},"data":${m.data},` +
    `"meta":${m.meta ?? '{"uid":null,"umd":null}'}}`;

  it('of 250 messages is read in pages of 100, 100 and 50, in both directions (client-http-api §9.3)', async () => {
    const rows = Array.from({ length: 250 }, () => logRow());
    await appendMessages(database.db, [...rows, logRow({ channel: 'c10' }), logRow({ channel: 'c' })]);
    for (const reverse of [false, true]) {
      const pages: string[][] = [];
      for (let cursor: string | undefined; pages.at(-1)?.length !== 0; cursor = pages.at(-1)?.at(-1)) {
        pages.push(ids(await page(reverse ? { reverse, before: cursor } : { after: cursor })));
      }
      expect(pages.map((read) => read.length)).toEqual([100, 100, 50, 0]);
      expect(pages.flat()).toEqual(reverse ? ids(rows).reverse() : ids(rows));
    }
  });

  it('ignores the cursor of the other direction, and takes ids that do not exist', async () => {
    const [a, b, c] = [1_000, 2_000, 3_000].map((ms) => logRow({ id: encodeTime(ms) + 'A'.repeat(16) }));
    await appendMessages(database.db, [a!, b!, c!]);
    expect(ids(await page({ after: b!.id, before: a!.id }))).toEqual([c!.id]);
    expect(ids(await page({ after: c!.id, before: b!.id, reverse: true }))).toEqual([a!.id]);
    expect(ids(await page({ after: encodeTime(1_500) + '0'.repeat(16) }))).toEqual([b!.id, c!.id]);
  });

  it('begins with the first message of the given millisecond', async () => {
    const rows = [999, 1_000, 1_001].map((ms) => logRow({ id: encodeTime(ms) + '0'.repeat(16) }));
    await appendMessages(database.db, rows);
    expect(ids(await page({ sinceMs: 1_000 }))).toEqual(ids(rows.slice(1)));
    expect(ids(await page({ sinceMs: 1_000, reverse: true, before: rows[2]!.id }))).toEqual([rows[1]!.id]);
    expect(ids(await page({ sinceMs: 1_000.5 }))).toEqual([rows[2]!.id]);
    expect(await page({ sinceMs: 1e300 })).toEqual([]);
    expect(ids(await page({ sinceMs: -1 }))).toEqual(ids(rows));
  });

  it('is cut where the serialised messages reach the limit, to the byte, and goes on from there', async () => {
    const rows = Array.from({ length: 10 }, (_, index) =>
      logRow({
        event: 'quote " backslash \\ tab \t é😀',
        data: JSON.stringify('€'.repeat(1_000 + index)),
        meta: index % 2 === 0 ? null : '{"uid":"ü","umd":{"a":1}}',
      }),
    );
    await appendMessages(database.db, rows);
    const all = await page();
    const threeMessages = Buffer.byteLength(
      all
        .slice(0, 3)
        .map((message) => serialised(message) + ',')
        .join(''),
    );
    expect(await page({ maxBytes: threeMessages })).toEqual(all.slice(0, 3));
    expect(await page({ maxBytes: threeMessages - 1 })).toEqual(all.slice(0, 2));
    expect(await page({ maxBytes: threeMessages, after: rows[2]!.id })).toHaveLength(2);
  });

  it('of 100 messages of 30 KiB is cut at 1 MiB, and complete over several pages (client-http-api §9.7)', async () => {
    const rows = Array.from({ length: 100 }, () => logRow({ data: JSON.stringify('x'.repeat(30 * 1024)) }));
    await appendMessages(database.db, rows);
    const first = await page();
    const bytes = (messages: StoredMessage[]) => Buffer.byteLength(messages.map(serialised).join());
    expect(bytes(first)).toBeLessThanOrEqual(1_048_576);
    expect(bytes(first)).toBeGreaterThan(1_048_576 - 31 * 1024);
    const read = [...first];
    for (let next = first; next.length > 0; read.push(...next)) next = await page({ after: read.at(-1)!.id });
    expect(ids(read)).toEqual(ids(rows));
  });

  it('shows at least one message, however small the limit', async () => {
    const rows = [logRow(), logRow()];
    await appendMessages(database.db, rows);
    expect(ids(await page({ maxBytes: 1 }))).toEqual([rows[0]!.id]);
    expect(ids(await page({ maxBytes: 1, reverse: true }))).toEqual([rows[1]!.id]);
  });

  it('never shows an expired message, whether or not it has been deleted', async () => {
    const [expired, kept] = [logRow({ store: 60 }), logRow({ store: 60 })];
    await appendMessages(database.db, [expired, kept]);
    await sql`update message_log set expires_at = now() where id = ${expired.id}`.execute(database.db);
    expect(ids(await page())).toEqual([kept.id]);
    expect(ids(await page({ maxBytes: 1 }))).toEqual([kept.id]);
    expect(await database.db.selectFrom('message_log').selectAll().execute()).toHaveLength(2);
  });

  it('tells members apart from servers', async () => {
    await appendMessages(database.db, [logRow({ meta: '{"uid":"u1","umd":null}' }), logRow()]);
    expect((await page()).map((message) => message.meta)).toEqual(['{"uid":"u1","umd":null}', null]);
  });

  describe('of messages whose ids were made before their place was known', () => {
    const id = (ms: number, tail = 'A'.repeat(16)) => encodeTime(ms) + tail;
    /** Delivered in this order; two of them have other ids, one that is smaller and one that is greater. */
    const rows = [
      logRow({ id: id(1_000) }),
      logRow({ id: id(2_000), eagerId: id(500) }),
      logRow({ id: id(3_000) }),
      logRow({ id: id(4_000), eagerId: id(9_000) }),
      logRow({ id: id(5_000) }),
    ];
    const inOrder = rows.map((row) => row.eagerId ?? row.id);
    beforeEach(() => appendMessages(database.db, rows));

    it('has the order of delivery, in both directions', async () => {
      expect(ids(await page())).toEqual(inOrder);
      expect(ids(await page({ reverse: true }))).toEqual([...inOrder].reverse());
      for (const [index, cursor] of inOrder.entries()) {
        expect(ids(await page({ after: cursor }))).toEqual(inOrder.slice(index + 1));
        expect(ids(await page({ reverse: true, before: cursor }))).toEqual(inOrder.slice(0, index).reverse());
      }
      expect(ids(await page({ maxBytes: 350 }))).toEqual(inOrder.slice(0, 3));
      // What its id says is from before counts as that, and what was delivered before it as well.
      expect(ids(await page({ sinceMs: 500 }))).toEqual(inOrder);
      expect(ids(await page({ sinceMs: 501 }))).toEqual(inOrder.filter((one) => one !== id(500)));
      expect(ids(await page({ sinceMs: 2_001 }))).toEqual(inOrder.slice(2));
      expect(ids(await page({ sinceMs: 4_001 }))).toEqual(inOrder.slice(4));
    });

    it('is read in parts that know where they end, up to where another source begins', async () => {
      const between = async (after: string[], before: string[]) =>
        ids(await messagesBetween(database.db, 'c1', { after, before }, 1_000_000));
      expect(await between([id(500)], [id(9_000)])).toEqual(inOrder.slice(2, 3));
      expect(await between([id(500), id(1_000)], [id(8_000)])).toEqual(inOrder.slice(2));
      // What is not stored is passed over.
      expect(await between([''], [id(100), id(9_000), id(5_000)])).toEqual(inOrder.slice(0, 3));
      expect(await between([''], [id(100), id(5_000)])).toEqual(inOrder.slice(0, 4));
      const [first] = await messagesBetween(database.db, 'c1', { after: [id(1_000)], before: [id(6_000)] }, 1);
      expect(await between([first!.place], [id(6_000)])).toEqual(inOrder.slice(2));
      const range = { channel: 'c1', sinceMs: 0, after: id(500), through: id(9_000), limit: 10, maxBytes: 1_000_000 };
      expect(ids(await newestMessages(database.db, range))).toEqual(inOrder.slice(2, 4));
    });

    it('has one row of each, found by its id', async () => {
      await appendMessages(database.db, rows);
      await appendMessages(database.db, [logRow({ id: id(6_000), eagerId: id(500) })]);
      expect(ids(await page())).toEqual(inOrder);
      const isFound = async (one: string) =>
        (await findMessage(database.db, 'c1', one, () => Promise.resolve())) !== undefined;
      for (const one of inOrder) expect(await isFound(one)).toBe(true);
      for (const place of [id(2_000), id(4_000)]) expect(await isFound(place)).toBe(false);
    });
  });

  it('that were missed are the newest of a range, within limits (websocket-protocol §12)', async () => {
    const rows = Array.from({ length: 20 }, (_, n) => logRow({ id: encodeTime(1_000 + n) + 'A'.repeat(16) }));
    const [from, to] = [rows[4]!.id, rows[16]!.id];
    const expired = logRow({ id: encodeTime(1_010) + 'B'.repeat(16), store: 0 });
    await appendMessages(database.db, [...rows, expired, logRow({ channel: 'c10', id: rows[9]!.id })]);
    const range = { channel: 'c1', sinceMs: 0, after: from, through: to, limit: 1_000, maxBytes: 1_000_000 };
    const missed = async (options: Partial<typeof range> = {}) =>
      ids(await newestMessages(database.db, { ...range, ...options }));
    expect(await missed()).toEqual(ids(rows.slice(5, 17)));
    expect(await missed({ limit: 3 })).toEqual(ids(rows.slice(14, 17)));
    expect(await missed({ sinceMs: 1_015 })).toEqual(ids(rows.slice(15, 17)));
    const one = serialised({ ...rows[5]!, reactions: null }).length + 1;
    expect(await missed({ maxBytes: one * 4 })).toEqual(ids(rows.slice(13, 17)));
    expect(await missed({ maxBytes: one * 4 - 1 })).toEqual(ids(rows.slice(14, 17)));
    expect(await missed({ after: to, through: from })).toEqual([]);
  });
});
