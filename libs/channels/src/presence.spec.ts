import fc from 'fast-check';
import type { IngestOperation } from '@hearth/wire';
import { applyOperation, missingFor } from './apply-operation';
import { ChannelState } from './channel-state';
import type { Outcome, SequencedOperation } from './outcome';
import type { PresenceRow } from './rows';

const CHANNEL = 'presence.c';
const CAPACITY = 200;

/** Who is connected, as one would write it down on paper. */
class Paper {
  readonly connections: { id: string; uid: string; counted: boolean }[] = [];
  members: { uid: string; umd: unknown }[] = [];

  get bytes(): number {
    return this.members.reduce((sum, member) => sum + Buffer.byteLength(JSON.stringify(member)), 0);
  }

  get count(): number {
    return this.connections.filter(({ counted }) => counted).length;
  }

  member(uid: string): { uid: string; umd: unknown } | undefined {
    return this.members.find((member) => member.uid === uid);
  }

  withUmd(uid: string, umd: unknown): { uid: string; umd: unknown }[] {
    return this.member(uid) === undefined
      ? [...this.members, { uid, umd }]
      : this.members.map((member) => (member.uid === uid ? { uid, umd } : member));
  }
}

/** What everybody hears of an operation. */
interface Told {
  readonly joined?: unknown;
  readonly frame?: unknown;
  readonly except?: string;
  readonly events: readonly unknown[];
  readonly refusal?: string;
}

function toldBy({ record, events = [], refusal }: Outcome): Told {
  const joined = record?.notice?.kind === 'presence' ? record.notice.joined : undefined;
  return {
    joined: joined && { connectionId: joined.connectionId, members: JSON.parse(joined.members.toString()) as unknown },
    frame:
      record === undefined || record.frame.length === 0 ? undefined : (JSON.parse(record.frame.toString()) as unknown),
    except: record?.exceptConnectionId,
    events: events.map(({ name, channel, dataJson }) => ({
      name,
      channel,
      data: JSON.parse(String(dataJson)) as unknown,
    })),
    refusal: refusal?.code,
  };
}

const frameOf = (event: string, member: unknown, members: unknown) => ({
  event: `hotsock.${event}`,
  channel: CHANNEL,
  data: { member, members },
});
const eventOf = (name: string, data: unknown) => ({ name, channel: CHANNEL, data });
const countOf = (paper: Paper) => eventOf('channelUpdated', { name: CHANNEL, subscriptionsCount: paper.count });

/** Does on paper what the specification says. */
function onPaper(paper: Paper, operation: IngestOperation): Told {
  if (operation.kind === 'join') {
    const { connectionId, uid, uncounted } = operation;
    const umd = JSON.parse(operation.umdJson) as unknown;
    const known = paper.member(uid);
    const there = paper.connections.some(({ id }) => id === connectionId);
    if (there) return { joined: { connectionId, members: paper.members }, events: [] };
    const isNew = known === undefined;
    const isOther = !isNew && canonical(known.umd) !== canonical(umd);
    const before = paper.members;
    if (isNew || isOther) paper.members = paper.withUmd(uid, umd);
    if (paper.bytes > CAPACITY && (isNew || isOther)) {
      paper.members = before;
      return { events: [], refusal: 'PRESENCE_CHANNEL_CAPACITY_REACHED' };
    }
    const counted = uncounted !== true;
    paper.connections.push({ id: connectionId, uid, counted });
    const name = isNew ? 'memberAdded' : isOther ? 'memberUpdated' : undefined;
    return {
      joined: { connectionId, members: paper.members },
      ...(name === undefined ? {} : { frame: frameOf(name, { uid, umd }, paper.members) }),
      ...(isNew ? { except: connectionId } : {}),
      events: [
        ...(name === undefined ? [] : [eventOf(name, { uid, umd, members: paper.members })]),
        eventOf('subscribed', { channel: CHANNEL, connectionId, uid, umd }),
        ...(counted ? [countOf(paper)] : []),
      ],
    };
  }
  if (operation.kind === 'leave') {
    const { connectionId } = operation;
    const index = paper.connections.findIndex(({ id }) => id === connectionId);
    const [gone] = index < 0 ? [] : paper.connections.splice(index, 1);
    if (gone === undefined) return { events: [] };
    const member = paper.member(gone.uid);
    const unsubscribed = eventOf('unsubscribed', { channel: CHANNEL, connectionId, uid: gone.uid, umd: member?.umd });
    const rest = [unsubscribed, ...(gone.counted ? [countOf(paper)] : [])];
    if (paper.connections.some(({ uid }) => uid === gone.uid)) return { events: rest };
    paper.members = paper.members.filter(({ uid }) => uid !== gone.uid);
    return {
      frame: frameOf('memberRemoved', member, paper.members),
      events: [eventOf('memberRemoved', { ...member, members: paper.members }), ...rest],
    };
  }
  if (operation.kind !== 'umd') throw new Error(operation.kind);
  const connection = paper.connections.find(({ id }) => id === operation.connectionId);
  if (connection === undefined) return { events: [], refusal: 'NOT_SUBSCRIBED' };
  const { uid } = connection;
  const umd = JSON.parse(operation.umdJson) as unknown;
  if (canonical(paper.member(uid)?.umd) === canonical(umd)) return { events: [] };
  const before = paper.members;
  paper.members = paper.withUmd(uid, umd);
  if (paper.bytes > CAPACITY) {
    paper.members = before;
    return { events: [], refusal: 'PRESENCE_CHANNEL_CAPACITY_REACHED' };
  }
  const member = { uid, umd };
  return {
    frame: frameOf('memberUpdated', member, paper.members),
    events: [eventOf('memberUpdated', { ...member, members: paper.members })],
  };
}

/** JSON with sorted members, so that equal values have equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const connectionId = fc.constantFrom('c1', 'c2', 'c3', 'c4', 'c5', 'c6');
const umdJson = fc.constantFrom('null', '{"a":1,"b":"é"}', '{"b":"é","a":1}', '[1]', `"${'x'.repeat(100)}"`);
const operations = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('join' as const),
      channel: fc.constant(CHANNEL),
      connectionId,
      gatewayId: fc.constant(1),
      uid: fc.constantFrom('u1', 'u2', '日"本'),
      umdJson,
      uncounted: fc.constantFrom(true, undefined),
    }),
    fc.record({ kind: fc.constant('leave' as const), channel: fc.constant(CHANNEL), connectionId }),
    fc.record({ kind: fc.constant('umd' as const), channel: fc.constant(CHANNEL), connectionId, umdJson }),
  ),
  { maxLength: 60 },
);

function sequenced(operation: IngestOperation, sequence: number): SequencedOperation {
  const position = { epoch: 1, sequence };
  return { id: String(sequence), position, acceptedMs: sequence, operation, data: Buffer.alloc(0) };
}

function apply(state: ChannelState, saved: ReadonlyMap<string, PresenceRow>, one: SequencedOperation): Outcome {
  const { presence } = missingFor([one.operation], state);
  state.presence.learn(
    presence,
    [...saved.values()].filter((row) => presence.some(({ channel }) => channel === row.channel)),
  );
  return applyOperation(one, state, { presenceMaxBytes: CAPACITY });
}

function save(state: ChannelState, saved: Map<string, PresenceRow>): void {
  const changes = state.presence.takeChanges();
  for (const [text, { row }] of changes) {
    if (row === undefined) saved.delete(text);
    else saved.set(text, row);
  }
  state.presence.saved(changes);
}

describe('presence', () => {
  it('tells everybody what the specification says, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(operations, fc.nat(60), (all, crashAt) => {
        const paper = new Paper();
        let state = new ChannelState();
        const saved = new Map<string, PresenceRow>();
        all.forEach((operation, index) => {
          // The next owner knows only what was saved.
          if (index === crashAt) state = new ChannelState();
          expect(toldBy(apply(state, saved, sequenced(operation, index + 1)))).toEqual(onPaper(paper, operation));
          save(state, saved);
          expect(new Set([...saved.values()].map((row) => row.connectionId))).toEqual(
            new Set(paper.connections.map(({ id }) => id)),
          );
        });
      }),
      { numRuns: 500 },
    );
  });

  it('comes to the same when operations are applied again to what was saved before them', () => {
    fc.assert(
      fc.property(operations, fc.nat(60), (all, savedUpTo) => {
        const saved = new Map<string, PresenceRow>();
        const first = new ChannelState();
        const outcomes = all.map((operation, index) => {
          const outcome = apply(first, saved, sequenced(operation, index + 1));
          if (index < savedUpTo) save(first, saved);
          return outcome;
        });
        const next = new ChannelState();
        const again = all
          .slice(savedUpTo)
          .map((operation, index) => apply(next, saved, sequenced(operation, savedUpTo + index + 1)));
        expect(again).toEqual(outcomes.slice(savedUpTo));
      }),
    );
  });

  it('takes a list of exactly the capacity and nothing more', () => {
    const member = (uid: string, umd: string) => Buffer.byteLength(JSON.stringify({ uid, umd }));
    const join = (uid: string, umd: string) =>
      ({
        kind: 'join',
        channel: CHANNEL,
        connectionId: `c-${uid}`,
        gatewayId: 1,
        uid,
        umdJson: JSON.stringify(umd),
      }) as const;
    const state = new ChannelState();
    const saved = new Map<string, PresenceRow>();
    const rest = CAPACITY - member('a', '');
    expect(apply(state, saved, sequenced(join('a', ''), 1)).refusal).toBeUndefined();
    const tooLong = 'é'.repeat((rest - member('b', '')) / 2) + 'xx'.slice(rest % 2);
    expect(member('a', '') + member('b', tooLong)).toBeGreaterThan(CAPACITY);
    expect(apply(state, saved, sequenced(join('b', tooLong), 2)).refusal?.code).toBe(
      'PRESENCE_CHANNEL_CAPACITY_REACHED',
    );
    const fits = 'x'.repeat(rest - member('b', ''));
    expect(apply(state, saved, sequenced(join('b', fits), 3)).refusal).toBeUndefined();
    expect(state.membersOf(CHANNEL).bytes).toBe(CAPACITY);
    expect(apply(state, saved, sequenced(join('c', ''), 4)).refusal?.code).toBe('PRESENCE_CHANNEL_CAPACITY_REACHED');
  });
});
