import { appendMessages, ensureEventIndex, listMessages } from '@hearth/store';
import { sql } from 'kysely';
import { logRow } from './log-row';
import { testDatabase } from './test-database';

describe('the message log', () => {
  const database = testDatabase();

  afterEach(() => database.db.deleteFrom('message_log').execute());

  it.each([
    ['escaped null characters', String.raw`"a\u0000b"`],
    ['escaped lone surrogates', String.raw`{"low":"\udc00","high":"\ud800x"}`],
    ['20-digit integers', '[12345678901234567890,-0,1e400,1.10]'],
    ['__proto__ and integer-like keys in their order', '{"__proto__":{"x":1},"2":0,"1":0,"b":0,"a":0,"a":1}'],
    ['spacing, quotes, braces and backslashes', String.raw`{ "a" : "{},\"NULL\"\\" , "b":[ ] }`],
    ['characters outside the basic plane', '"😀é\u2028\u007f"'],
    ['null', 'null'],
    ['the text NULL', '"NULL"'],
    ['an empty string', '""'],
  ])('keeps data byte for byte: %s', async (_, data) => {
    await appendMessages(database.db, [logRow({ data })]);
    expect((await listMessages(database.db, { channel: 'c1', sinceMs: 0 })).map((message) => message.data)).toEqual([
      data,
    ]);
  });

  it('keeps everything a message comes with', async () => {
    const row = logRow({
      meta: '{"uid":"u1","umd":{"n":12345678901234567890}}',
      connectionId: 'AQID/+==',
      sourceIp: '2001:db8::1',
      userAgent: 'a "browser", {1}\\',
      trigger: 'client.websocket',
    });
    await appendMessages(database.db, [row]);
    expect(await database.db.selectFrom('message_log').selectAll().executeTakeFirstOrThrow()).toEqual({
      channel: row.channel,
      id: row.id,
      eager_id: null,
      event: row.event,
      data: row.data,
      meta: row.meta,
      connection_id: row.connectionId,
      source_ip: row.sourceIp,
      user_agent: row.userAgent,
      trigger: row.trigger,
      request_id: row.requestId,
      expires_at: null,
    });
  });

  it('leaves a message as it is when it is appended again', async () => {
    const row = logRow({ store: -1 });
    await appendMessages(database.db, [row]);
    await appendMessages(database.db, [
      { ...row, data: '"changed"', store: 60 },
      logRow({ id: '7ZZZZZZZZZZZZZZZZZZZZZZZZZ' }),
    ]);
    const rows = await database.db.selectFrom('message_log').select(['data', 'expires_at']).orderBy('id').execute();
    expect(rows).toEqual([
      { data: '"hi"', expires_at: null },
      { data: '"hi"', expires_at: null },
    ]);
  });

  it('computes the expiry from the time of appending, up to a hundred years', async () => {
    await database.db.transaction().execute(async (tx) => {
      await appendMessages(tx, [logRow({ store: 1 }), logRow({ store: 3_155_695_200 }), logRow({ store: -1 })]);
      const { rows } = await sql`
        select extract(epoch from expires_at - now())::int8 as seconds from message_log order by id`.execute(tx);
      expect(rows).toEqual([{ seconds: 1 }, { seconds: 3_155_695_200 }, { seconds: null }]);
    });
  });

  it('takes an empty batch', async () => {
    await appendMessages(database.db, []);
    expect(await listMessages(database.db, { channel: 'c1', sinceMs: 0 })).toEqual([]);
  });

  it('has the index by event exactly when it is asked for, also when many nodes ask', async () => {
    const index = sql<{ valid: boolean }>`
      select indisvalid as valid from pg_index where indexrelid = to_regclass('message_log_event_idx')`;
    await Promise.all([1, 2, 3].map(() => ensureEventIndex(database.url, true)));
    expect((await index.execute(database.db)).rows).toEqual([{ valid: true }]);
    await sql`update pg_index set indisvalid = false where indexrelid = 'message_log_event_idx'::regclass`.execute(
      database.db,
    );
    await ensureEventIndex(database.url, true);
    expect((await index.execute(database.db)).rows).toEqual([{ valid: true }]);
    await Promise.all([1, 2, 3].map(() => ensureEventIndex(database.url, false)));
    expect((await index.execute(database.db)).rows).toEqual([]);
  });
});
