import {
  addWaiting,
  claimTarget,
  leaseOfTarget,
  dropUnusedTargets,
  endWaiting,
  ensureTarget,
  expireDeadLetters,
  firstWaiting,
  giveUp,
  listDeadLetters,
  noteAttempt,
  releaseTarget,
  renewTarget,
  requestRetry,
  reviveDeadLetters,
  summarizeWaiting,
  TargetLostError,
  type Database,
  type TargetClaim,
  type WebhookEvent,
} from '@hearth/store';
import { sql } from 'kysely';
import { testDatabase } from './test-database';

const START = { epoch: 0, sequence: 7, timeNs: '', streamCreated: 'then' };

const database = testDatabase();
let db: Database['db'];
beforeAll(async () => {
  ({ db } = database);
});
beforeEach(async () => {
  await sql`truncate webhook_target, webhook_waiting, webhook_dead_letter`.execute(db);
  await ensureTarget(db, 't', START);
});

async function claim(nodeId: string, ttlMs = 60_000): Promise<TargetClaim> {
  const claimed = await claimTarget(db, 't', nodeId, ttlMs, await leaseOfTarget(db, 't'));
  if (claimed === undefined) throw new Error('not claimed');
  return claimed.claim;
}

const event = (sequence: number, more: Partial<WebhookEvent> = {}): WebhookEvent => ({
  orderingKey: 'c',
  streamEpoch: 0,
  sequence,
  id: `e${sequence}`,
  type: 'hotsock.messagePublished',
  channel: 'c',
  payload: Buffer.from('{}'),
  ...more,
});
/** Writes events down as if the stream had been read to the last of them. */
const wait = (by: TargetClaim, ...events: WebhookEvent[]) => {
  const { streamEpoch, sequence } = events.at(-1)!;
  return addWaiting(db, by, events, { ...START, epoch: streamEpoch, sequence });
};
const waiting = async (orderingKey = 'c') => (await firstWaiting(db, 't', orderingKey, 100, 1_000)).map(({ id }) => id);

describe('a webhook target', () => {
  it('has one owner, until its lease is seen to stand or it is given back', async () => {
    const first = await claimTarget(db, 't', 'a', 60_000);
    expect(first).toEqual({ claim: { target: 't', fencingToken: 1 }, position: START });
    expect(await claimTarget(db, 't', 'b', 60_000)).toBeUndefined();
    const position = { ...START, sequence: 9, timeNs: '5' };
    await addWaiting(db, first!.claim, [], position);
    await releaseTarget(db, first!.claim);
    const second = await claimTarget(db, 't', 'b', 0);
    expect(second).toEqual({ claim: { target: 't', fencingToken: 2 }, position });
    const expired = await leaseOfTarget(db, 't');
    expect(await claimTarget(db, 't', 'c', 60_000)).toBeUndefined();
    await renewTarget(db, second!.claim, 3_600_000);
    expect(await claimTarget(db, 't', 'c', 60_000, expired)).toBeUndefined();
    expect(await claimTarget(db, 't', 'c', 60_000, await leaseOfTarget(db, 't'))).toEqual({
      claim: { target: 't', fencingToken: 3 },
      position,
    });
  });

  it('keeps its position when it is made known again', async () => {
    await ensureTarget(db, 't', { ...START, sequence: 99 });
    expect((await claimTarget(db, 't', 'a', 60_000))?.position).toEqual(START);
  });

  it('takes nothing from a former owner', async () => {
    const former = await claim('a', 0);
    const owner = await claim('b');
    await wait(owner, event(8));
    await expect(renewTarget(db, former, 60_000)).rejects.toThrow(TargetLostError);
    await expect(wait(former, event(9))).rejects.toThrow(TargetLostError);
    await expect(endWaiting(db, former, [event(8)])).rejects.toThrow(TargetLostError);
    await expect(noteAttempt(db, former, event(8), 5, 'why')).rejects.toThrow(TargetLostError);
    await expect(giveUp(db, former, '1', event(8), 1, 'why')).rejects.toThrow(TargetLostError);
    await expect(reviveDeadLetters(db, former, 10)).rejects.toThrow(TargetLostError);
    await releaseTarget(db, former);
    await renewTarget(db, owner, 0);
    expect(await firstWaiting(db, 't', 'c', 10, 100)).toMatchObject([{ id: 'e8', attempts: 0 }]);
    expect(await listDeadLetters(db, { limit: 10 })).toEqual([]);
    expect((await claimTarget(db, 't', 'c', 0, await leaseOfTarget(db, 't')))?.position).toEqual({
      ...START,
      sequence: 8,
    });
  });

  it('that nobody has had for long is forgotten, with what waits for it', async () => {
    await wait(await claim('a'), event(8));
    expect(await dropUnusedTargets(db, 30, [])).toBe(0);
    await sql`update webhook_target set updated_at = now() - interval '31 days'`.execute(db);
    expect(await dropUnusedTargets(db, 30, ['t'])).toBe(0);
    expect(await dropUnusedTargets(db, 30, ['u'])).toBe(1);
    expect(await summarizeWaiting(db, 't')).toEqual([]);
  });
});

describe('events that wait', () => {
  it('have their turn by their place in the stream, for each ordering key by itself', async () => {
    const owner = await claim('a');
    await wait(owner, event(9), event(10), event(8, { orderingKey: 'd' }), event(11));
    await wait(owner, event(2, { streamEpoch: 1 }));
    const order: string[] = [];
    for (let next; ([next] = await firstWaiting(db, 't', 'c', 1, 1)) && next !== undefined;) {
      order.push(next.id);
      await endWaiting(db, owner, [next]);
    }
    expect(order).toEqual(['e9', 'e10', 'e11', 'e2']);
    expect(await summarizeWaiting(db, 't')).toEqual([{ orderingKey: 'd', count: 1, bytes: 2, attempts: 0 }]);
  });

  it('are loaded a few at a time, at least one', async () => {
    const owner = await claim('a');
    await wait(owner, ...[8, 9, 10, 11].map((sequence) => event(sequence)));
    const ids = async (...[limit, maxBytes, except]: [number, number, WebhookEvent[]?]) =>
      (await firstWaiting(db, 't', 'c', limit, maxBytes, except)).map(({ id }) => id);
    expect(await ids(3, 1_000)).toEqual(['e8', 'e9', 'e10']);
    expect(await ids(100, 1)).toEqual(['e8']);
    expect(await ids(100, 3)).toEqual(['e8', 'e9']);
    expect(await ids(2, 1_000, [event(8), event(10)])).toEqual(['e9', 'e11']);
  });

  it('do not wait twice when they are written down again, nor come back when they were delivered', async () => {
    const owner = await claim('a');
    const events = [event(8), event(9), event(10)];
    await wait(owner, ...events);
    await endWaiting(db, owner, [event(8), event(10)]);
    await wait(owner, ...events);
    expect(await waiting()).toEqual(['e9']);
    await expect(wait(owner, event(7))).rejects.toThrow(TargetLostError);
  });

  it('remember their attempts', async () => {
    const owner = await claim('a');
    await wait(owner, event(8), event(9));
    await noteAttempt(db, owner, event(8), 3, 'why');
    expect(await firstWaiting(db, 't', 'c', 10, 100)).toMatchObject([{ attempts: 3 }, { attempts: 0 }]);
    expect(await summarizeWaiting(db, 't')).toEqual([{ orderingKey: 'c', count: 2, bytes: 4, attempts: 3 }]);
  });
});

describe('dead letters', () => {
  it('wait again at their old places when a retry was asked for', async () => {
    const owner = await claim('a');
    await wait(owner, event(8), event(9));
    await giveUp(db, owner, 'A', event(8), 3, 'gone');
    await giveUp(db, owner, 'B', event(10), 3, 'gone');
    expect(await waiting()).toEqual(['e9']);
    expect(await reviveDeadLetters(db, owner, 10)).toEqual([]);
    expect(await requestRetry(db, { id: 'A' })).toBe(1);
    expect(await requestRetry(db, { target: 'other' })).toBe(0);
    expect(await reviveDeadLetters(db, owner, 10)).toEqual([{ orderingKey: 'c', bytes: 2 }]);
    expect(await firstWaiting(db, 't', 'c', 1, 1)).toMatchObject([{ id: 'e8', attempts: 0 }]);
    expect((await listDeadLetters(db, { limit: 10 })).map(({ id }) => id)).toEqual(['B']);
  });

  it('are one for each event, however often it was given up', async () => {
    const owner = await claim('a');
    await giveUp(db, owner, 'A', event(1), 3, 'once');
    await giveUp(db, owner, 'B', event(1), 4, 'twice');
    expect(await listDeadLetters(db, { limit: 10 })).toMatchObject([{ id: 'A', attempts: 4, lastError: 'twice' }]);
  });

  it('go when they are old, and the oldest when there are too many', async () => {
    const owner = await claim('a');
    for (const [index, id] of ['A', 'B', 'C', 'D', 'E'].entries()) await giveUp(db, owner, id, event(index), 1, 'why');
    const left = async () => (await listDeadLetters(db, { limit: 10 })).map(({ id }) => id);
    expect(await expireDeadLetters(db, { beforeId: 'B', most: 10, batch: 10 })).toBe(0);
    expect(await left()).toEqual(['E', 'D', 'C', 'B']);
    expect(await expireDeadLetters(db, { beforeId: '', most: 2, batch: 1 })).toBe(1);
    expect(await expireDeadLetters(db, { beforeId: '', most: 2, batch: 10 })).toBe(1);
    expect(await left()).toEqual(['E', 'D']);
  });
});
