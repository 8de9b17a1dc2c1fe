import { messageId } from '@hearth/protocol';
import { ResumeRights } from './resume-rights';

/** One instant for all: a busy machine takes its time between two lines. */
const NOW = Date.now();
const at = (sequence: number) => ({ epoch: 1, sequence });
const id = (sequence: number) => messageId(NOW + sequence, sequence, 0);
const channel = (name: string, sequence: number) => ({ name, last: at(sequence), lastId: id(sequence) });
const seen = (sequence: number) => ({ id: id(sequence), position: at(sequence) });

describe('rights of resuming users', () => {
  it('cover what was delivered between the first beginning and the last end of the subscriptions', () => {
    const rights = new ResumeRights(600_000);
    rights.entered('u', channel('c', 10), Date.now());
    expect(rights.covers('u', 'c', seen(10))).toBe(false);
    expect(rights.covers('u', 'c', seen(11))).toBe(true);
    rights.entered('u', channel('c', 15), Date.now());
    rights.left('u', channel('c', 20));
    expect(rights.covers('u', 'c', seen(30))).toBe(true);
    rights.left('u', channel('c', 40));
    expect(rights.covers('u', 'c', seen(11))).toBe(true);
    expect(rights.covers('u', 'c', seen(40))).toBe(true);
    expect(rights.covers('u', 'c', seen(41))).toBe(false);
    rights.entered('u', channel('c', 50), Date.now());
    expect(rights.covers('u', 'c', seen(11))).toBe(true);
    for (const [uid, name] of [
      ['v', 'c'],
      ['u', 'd'],
      [null, 'c'],
    ] as const) {
      expect(rights.covers(uid, name, seen(11))).toBe(false);
    }
  });

  it('are told by ids where the position of a message is not known', () => {
    const rights = new ResumeRights(600_000);
    rights.entered('u', channel('c', 10), NOW + 10);
    rights.left('u', channel('c', 40));
    const covers = (sequence: number) => rights.covers('u', 'c', { id: id(sequence), position: undefined });
    expect([9, 30, 39, 42].map(covers)).toEqual([false, true, true, false]);
  });

  it('of users who have left are kept for the latest only, however often users come and go', () => {
    const rights = new ResumeRights(600_000, undefined, 10);
    const comeAndGo = (uid: string) => {
      rights.entered(uid, channel('c', 1), Date.now());
      rights.left(uid, channel('c', 5));
    };
    const kept = (uids: readonly string[]) => uids.filter((uid) => rights.covers(uid, 'c', seen(3)));
    const uids = Array.from({ length: 100 }, (_, n) => `u${n}`);
    rights.entered('stays', channel('c', 1), Date.now());
    uids.forEach(comeAndGo);
    expect(kept(uids)).toEqual(uids.slice(-kept(uids).length));
    expect([9, 10]).toContain(kept(uids).length);
    // Whoever comes again is no longer the oldest.
    const [oldest = '', next = ''] = kept(uids);
    ['a', oldest, 'b', 'c'].forEach(comeAndGo);
    expect(kept([oldest, next, 'stays'])).toEqual([oldest, 'stays']);
  });

  it('are kept as long as the deliver stream reaches, at least 10 minutes', () => {
    for (const [reachMs, keptMs] of [
      [10_000, 600_000],
      [3_600_000, 3_600_000],
    ] as const) {
      const rights = new ResumeRights(reachMs);
      rights.entered('u', channel('c', 1), Date.now());
      rights.left('u', channel('c', 5));
      rights.sweep(performance.now() + keptMs - 1_000);
      expect(rights.covers('u', 'c', seen(3))).toBe(true);
      rights.sweep(performance.now() + keptMs + 1_000);
      expect(rights.covers('u', 'c', seen(3))).toBe(false);
    }
  });
});
