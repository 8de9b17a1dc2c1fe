import type { ReactionRow } from '@hearth/channels';
import {
  appendMessages,
  findMessage,
  listMessages,
  listReactions,
  writeStateChanges,
  type LogRow,
} from '@hearth/store';
import { sql } from 'kysely';
import { encodeTime, monotonicFactory } from 'ulid';
import { logRow } from './log-row';
import { testDatabase } from './test-database';

const NO_CHANGES = {
  presence: [],
  counts: [],
  reports: [],
  connections: [],
  subscriptions: [],
  storage: [],
  schedules: [],
};
const nextId = monotonicFactory();

const database = testDatabase();
afterEach(async () => {
  await database.db.deleteFrom('message_log').execute();
  await sql`delete from message_reaction`.execute(database.db);
});

function reactionTo(message: LogRow, reaction: string, uid: string | null, more: Partial<ReactionRow> = {}) {
  const { channel, id: messageId } = message;
  const row: ReactionRow = {
    ...{ channel, messageId, reaction, uid, id: nextId(), umdJson: 'null', expiresMs: null, origin: '{}' },
    ...more,
  };
  return { key: row, row };
}

const store = (...reactions: ReturnType<typeof reactionTo>[]) =>
  writeStateChanges(database.db, 0, { ...NO_CHANGES, reactions });

async function reactionsOf(detail: 'count' | 'items' | undefined): Promise<unknown[]> {
  const messages = await listMessages(database.db, { channel: 'c1', sinceMs: 0, reactions: detail });
  return messages.map(({ reactions }) => (reactions === null ? null : (JSON.parse(reactions) as unknown)));
}

describe('a page of history', () => {
  it('counts reactions by value, or names who reacted, in the order of adding', async () => {
    const [plain, loved] = [logRow(), logRow()];
    await appendMessages(database.db, [plain, loved]);
    await store(
      reactionTo(loved, 'z"\\', 'u1', { umdJson: '{"n":1}' }),
      reactionTo(loved, '👍', 'u1'),
      reactionTo(loved, 'z"\\', 'a'),
      reactionTo(loved, '👍', null),
    );
    expect(await reactionsOf(undefined)).toEqual([null, null]);
    expect(await reactionsOf('count')).toEqual([null, { 'z"\\': { count: 2 }, '👍': { count: 2 } }]);
    const items = {
      'z"\\': { count: 2, items: [{ uid: 'u1', umd: { n: 1 } }, { uid: 'a' }] },
      '👍': { count: 2, items: [{ uid: 'u1' }, { uid: null }] },
    };
    expect(JSON.stringify(await reactionsOf('items'))).toBe(JSON.stringify([null, items]));
  });

  it('belongs to one channel', async () => {
    const message = logRow();
    await appendMessages(database.db, [message]);
    await store(reactionTo({ ...message, channel: 'c2' }, '👍', 'u1'));
    expect(await reactionsOf('count')).toEqual([null]);
  });

  it('shows at most 1,000 reactions of a message one by one, and counts all', async () => {
    const message = logRow();
    await appendMessages(database.db, [message]);
    await store(...Array.from({ length: 1_005 }, (_, n) => reactionTo(message, n < 1_003 ? 'a' : 'b', `u${n}`)));
    const [shown] = (await reactionsOf('items')) as [Record<string, { count: number; items: { uid: string }[] }>];
    expect(shown.a?.count).toBe(1_003);
    expect(shown.a?.items.map(({ uid }) => uid)).toEqual(Array.from({ length: 1_000 }, (_, n) => `u${n}`));
    expect(shown.b).toEqual({ count: 2, items: [] });
    expect(await reactionsOf('count')).toEqual([{ a: { count: 1_003 }, b: { count: 2 } }]);
  });

  it('ends where its messages with their reactions exceed the bytes', async () => {
    const messages = [logRow(), logRow(), logRow()];
    await appendMessages(database.db, messages);
    const umdJson = JSON.stringify('x'.repeat(1_000));
    await store(...messages.map((message) => reactionTo(message, 'a', 'u', { umdJson })));
    const ids = async (maxBytes: number, reactions: 'count' | 'items', reverse = false) =>
      (await listMessages(database.db, { channel: 'c1', sinceMs: 0, maxBytes, reactions, reverse })).map(
        ({ id }) => id,
      );
    expect(await ids(2_600, 'count')).toHaveLength(3);
    expect(await ids(2_600, 'items')).toEqual([messages[0]!.id, messages[1]!.id]);
    expect(await ids(2_600, 'items', true)).toEqual([messages[2]!.id, messages[1]!.id]);
    expect(await ids(10, 'items')).toEqual([messages[0]!.id]);
  });
});

describe('the reactions to a message', () => {
  it('are listed by value, in the order of adding', async () => {
    const message = logRow();
    await store(
      reactionTo(message, 'b', 'u1'),
      reactionTo(message, 'a', 'u2', { umdJson: '[1]' }),
      reactionTo(message, 'b', 'u0'),
      reactionTo(logRow(), 'b', 'u9'),
    );
    expect(await listReactions(database.db, 'c1', message.id)).toEqual([
      { reaction: 'b', uidJson: '"u1"', umdJson: 'null' },
      { reaction: 'b', uidJson: '"u0"', umdJson: 'null' },
      { reaction: 'a', uidJson: '"u2"', umdJson: '[1]' },
    ]);
  });

  it('are 1,000 at most', async () => {
    const message = logRow();
    await store(...Array.from({ length: 1_001 }, (_, n) => reactionTo(message, 'a', `u${n}`)));
    expect(await listReactions(database.db, 'c1', message.id)).toHaveLength(1_000);
  });
});

describe('a message that somebody reacts to', () => {
  const never = () => Promise.reject(new Error('looked twice'));

  it('is found with its event and its end', async () => {
    const [kept, timed] = [logRow({ event: 'e1' }), logRow({ store: 60 })];
    await appendMessages(database.db, [kept, timed]);
    expect(await findMessage(database.db, 'c1', kept.id, never)).toEqual({ event: 'e1', expiresMs: null });
    const { expiresMs = 0 } = (await findMessage(database.db, 'c1', timed.id, never)) ?? {};
    expect(Math.abs((expiresMs ?? 0) - Date.now() - 60_000)).toBeLessThan(30_000);
  });

  it('is not found in another channel, when it has expired, or when it never was', async () => {
    const [kept, expired] = [logRow(), logRow({ store: 0 })];
    await appendMessages(database.db, [kept, expired]);
    const settle = () => Promise.resolve();
    for (const [channel, id] of [
      ['c2', kept.id],
      ['c1', expired.id],
      ['c1', nextId()],
    ] as const) {
      expect(await findMessage(database.db, channel, id, settle)).toBeUndefined();
    }
  });

  it('and that is on its way is waited for, but not one of another time', async () => {
    const message = logRow();
    expect(
      await findMessage(database.db, 'c1', message.id, () => appendMessages(database.db, [message])),
    ).toBeDefined();
    for (const timeMs of [Date.now() - 3_600_000, Date.now() + 3_600_000]) {
      expect(await findMessage(database.db, 'c1', encodeTime(timeMs) + '0'.repeat(16), never)).toBeUndefined();
    }
  });
});
