import { type MemberEvent, memberFrame } from '@hearth/protocol';
import type { DeliverRecord } from '@hearth/wire';
import * as fc from 'fast-check';
import { changeOf, decidingOf, toldOf } from './member-changes';
import { MemberGathering } from './member-gathering';

const member = (uid: string, umd: unknown = null): string => JSON.stringify({ uid, umd });
const frameOf = (event: string, memberJson: string, list = '[]'): Buffer =>
  Buffer.from(memberFrame(event as MemberEvent, 'presence.c', memberJson, list), 'utf8');

it.each([
  ['u', null],
  ['ü"{}', { 'x"}': [',"members":[', '\\'] }],
])('a frame’s member is read from its beginning', (uid, umd) => {
  const memberJson = member(uid, umd);
  const frame = frameOf('memberUpdated', memberJson, `[${memberJson},${member('other')}]`);
  expect(changeOf(frame)).toEqual({ event: 'memberUpdated', uid, memberJson });
});

describe('of changes of one member are told', () => {
  it.each<[changes: string, told: string]>([
    ['', ''],
    ['a', 'a'],
    ['a r', ''],
    ['a r a', 'a'],
    ['a r a r', ''],
    ['a u', 'a u'],
    ['a u1 u2', 'a u2'],
    ['u1 u2', 'u2'],
    ['u1 r', 'u1 r'],
    ['r a r', 'r'],
    ['r a', ''],
    ['r a1', 'r a1'],
    ['r a1 r a', ''],
    ['r a1 u2', 'r a1 u2'],
  ])('%s: %s', (changes, told) => {
    const names: Record<string, string> = { a: 'memberAdded', u: 'memberUpdated', r: 'memberRemoved' };
    const all = changes.split(' ').filter((change) => change !== '');
    const read = all.map(([kind = '', umd]) => ({
      event: names[kind] ?? '',
      uid: 'm',
      memberJson: member('m', umd ?? null),
    }));
    expect(
      toldOf(read)
        .map((index) => all[index])
        .join(' '),
    ).toBe(told);
  });
});

it('few of many changes of one member decide what is told', () => {
  const change = fc.record({
    event: fc.constantFrom('memberAdded', 'memberUpdated', 'memberRemoved'),
    uid: fc.constant('m'),
    memberJson: fc.constantFrom(member('m'), member('m', 1)),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1 }), fc.array(change), (before, later) => {
      const deciding = decidingOf(before).flatMap((index) => before[index] ?? []);
      expect(deciding.length).toBeLessThanOrEqual(7);
      const [all, some] = [
        [...before, ...later],
        [...deciding, ...later],
      ];
      expect(toldOf(some).map((index) => some[index])).toEqual(toldOf(all).map((index) => all[index]));
    }),
  );
});

describe('a member that comes and goes', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const record = (event: string, uid = 'm', list = '[]'): DeliverRecord =>
    ({ frame: frameOf(event, member(uid), list) }) as unknown as DeliverRecord;

  it('is told of at once at first, then four times a second at most, and truly in the end', () => {
    const told: string[] = [];
    const tell = (one: DeliverRecord): void => void told.push(changeOf(one.frame).event);
    const gathering = new MemberGathering('presence.c', (records) => records.forEach(tell));
    for (let n = 0; n < 1_001; n++) {
      const change = record(n % 2 === 0 ? 'memberAdded' : 'memberRemoved');
      if (!gathering.take(change, 2)) tell(change);
      if (n < 50) expect(told).toHaveLength(n + 1);
      jest.advanceTimersByTime(7);
    }
    expect(told.length).toBeLessThanOrEqual(50 + 7 * 4 + 4);
    jest.advanceTimersByTime(1_000);
    expect(told.at(-1)).toBe('memberAdded');
  });

  it('does not hold others up, and is told of late with the list as it is then', () => {
    const told: DeliverRecord[] = [];
    const gathering = new MemberGathering('presence.c', (records) => void told.push(...records));
    for (let n = 0; n < 51; n++) gathering.take(record('memberUpdated'), 2);
    const list = `[${member('m')},${member('other')}]`;
    expect(gathering.take(record('memberAdded', 'other', list), 2)).toBe(false);
    jest.advanceTimersByTime(300);
    expect(told.map(({ frame }) => Buffer.from(frame).toString('utf8'))).toEqual([
      frameOf('memberUpdated', member('m'), list).toString('utf8'),
    ]);
  });
});
