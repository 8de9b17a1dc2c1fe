import { isDeepStrictEqual } from 'node:util';
import { type MemberEvent, memberFrame } from '@hearth/protocol';
import type { DeliverRecord } from '@hearth/wire';
import * as fc from 'fast-check';
import { changeOf } from './member-changes';
import { MemberGathering } from './member-gathering';

const [CALM, WILD] = [
  ['calm0', 'calm1'],
  ['wild0', 'wild1'],
];
/** So few that a change costs little. */
const SUBSCRIBERS = 2;
/** So often a calm member comes or goes at most. */
const CALM_MS = 250;

interface Told {
  readonly event: string;
  readonly data: { readonly member: { readonly uid: string }; readonly members: readonly { readonly uid: string }[] };
}

/** A channel whose members come and go, and what its subscribers are told. */
class Lobby {
  readonly members = new Set<string>();
  readonly told: Told[] = [];
  private readonly changedAt = new Map<string, number>();
  private readonly gathering = new MemberGathering('presence.x', (records) => records.forEach((one) => this.tell(one)));

  /** One comes or goes; a calm one only when it may. */
  change(uid: string): void {
    if (CALM.includes(uid)) {
      if (performance.now() - (this.changedAt.get(uid) ?? -CALM_MS) < CALM_MS) return;
      this.changedAt.set(uid, performance.now());
    }
    const event: MemberEvent = this.members.delete(uid) ? 'memberRemoved' : 'memberAdded';
    if (event === 'memberAdded') this.members.add(uid);
    const frame = memberFrame(event, 'presence.x', jsonOf(uid), `[${[...this.members].map(jsonOf).join()}]`);
    const record = { frame: Buffer.from(frame) } as unknown as DeliverRecord;
    if (!this.gathering.take(record, SUBSCRIBERS)) this.tell(record);
  }

  private tell({ frame }: DeliverRecord): void {
    this.told.push(JSON.parse(Buffer.from(frame).toString()) as Told);
  }
}

const jsonOf = (uid: string): string => JSON.stringify({ uid, umd: null });
const uidsOf = ({ data }: Told): string[] => data.members.map(({ uid }) => uid);

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('tells of calm members one by one whatever others do, and the true list within a second (limits §5)', () => {
  const step = fc.record({
    uid: fc.constantFrom(...CALM, ...WILD, ...WILD, ...WILD),
    waitMs: fc.constantFrom(0, 0, 1, 10, 100),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 200, maxLength: 400, size: 'max' }), (steps) => {
      const lobby = new Lobby();
      for (const { uid, waitMs } of steps) {
        lobby.change(uid);
        jest.advanceTimersByTime(waitMs);
      }
      jest.advanceTimersByTime(1_000);
      expectEachToFit(lobby.told);
      expect(uidsOf(lobby.told.at(-1)!)).toEqual([...lobby.members]);
    }),
    { numRuns: 50 },
  );
});

it('tells everything at once of who comes and goes 50 times, and then at most four things a second', () => {
  const lobby = new Lobby();
  for (let n = 0; n < 50; n++) lobby.change('wild0');
  expect(lobby.told).toHaveLength(50);
  for (let n = 0; n < 1_000; n++) {
    lobby.change('wild0');
    jest.advanceTimersByTime(10);
  }
  expect(lobby.told.length - 50).toBeGreaterThan(10);
  expect(lobby.told.length - 50).toBeLessThanOrEqual(4 * 10 + 1);
});

it('tells of the first change at once where it costs much, and gathers from the second on', () => {
  const told: DeliverRecord[] = [];
  const gathering = new MemberGathering('presence.x', (records) => told.push(...records));
  const list = `[${Array.from({ length: 500 }, (_, n) => jsonOf(`m${n}`)).join()}]`;
  const change = (event: MemberEvent): boolean =>
    gathering.take(
      { frame: Buffer.from(memberFrame(event, 'presence.x', jsonOf('u'), list)) } as unknown as DeliverRecord,
      500,
    );
  expect(change('memberAdded')).toBe(false);
  expect(change('memberRemoved')).toBe(true);
  jest.advanceTimersByTime(250);
  expect(told.map(({ frame }) => changeOf(frame).event)).toEqual(['memberRemoved']);
  // One that comes alone is told at once, whatever it costs.
  jest.advanceTimersByTime(1_000);
  expect(change('memberAdded')).toBe(false);
});

function expectEachToFit(told: readonly Told[]): void {
  let calm: readonly string[] = [];
  for (const one of told) {
    const { uid } = one.data.member;
    const isAdded = one.event === 'hotsock.memberAdded';
    const uids = uidsOf(one);
    const isTwice = CALM.includes(uid) && calm.includes(uid) === isAdded;
    if (CALM.includes(uid)) calm = isAdded ? [...calm, uid] : calm.filter((other) => other !== uid);
    const fits = { uid, isListed: isAdded, isTwice: false, calm };
    const found = { uid, isListed: uids.includes(uid), isTwice, calm: uids.filter((other) => CALM.includes(other)) };
    // jest's own comparison is slow; it only has to explain a difference.
    if (!isDeepStrictEqual(found, fits)) expect(found).toEqual(fits);
  }
}
