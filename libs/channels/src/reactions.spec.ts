import { messageId } from '@hearth/protocol';
import { OperationOf } from '@hearth/wire';
import fc from 'fast-check';
import { applyOperation } from './apply-operation';
import { ChannelState } from './channel-state';
import type { Outcome } from './outcome';
import { reactionKey } from './reactions';

const START = Date.UTC(2026, 0, 1);
const TARGET = messageId(START, 1, 0);

let state: ChannelState;
let sequence: number;
beforeEach(() => {
  state = new ChannelState();
  sequence = 100;
});

type Reaction = OperationOf<'reaction'>;

function reaction(more: Partial<Reaction> = {}): Reaction {
  return {
    kind: 'reaction',
    channel: 'c',
    messageId: TARGET,
    reaction: '👍',
    action: 'add',
    uid: 'u1',
    umdJson: 'null',
    emitPubSubEvent: true,
    trigger: 'client.websocket',
    requestId: 'r1',
    ...more,
  };
}

/** Applies it as the next operation of the partition, with what the database would have: nothing. */
function apply(operation: Reaction, acceptedMs = START + sequence): { id: string; outcome: Outcome } {
  const key = reactionKey(operation);
  state.reactions.learn(state.reactions.missing([key]), []);
  const id = messageId(acceptedMs, ++sequence, 0);
  const position = { epoch: 1, sequence };
  const sequenced = { id, position, acceptedMs, operation, data: Buffer.alloc(0) };
  return { id, outcome: applyOperation(sequenced, state, { presenceMaxBytes: 0 }) };
}

const frameOf = ({ record }: Outcome) =>
  record === undefined ? undefined : (JSON.parse(record.frame.toString()) as Record<string, unknown>);
const dataOf = ({ events }: Outcome) =>
  (events ?? []).map(({ dataJson }) => JSON.parse(String(dataJson)) as Record<string, unknown>);

describe('a reaction', () => {
  it('that is added is told under the id it keeps', () => {
    const { id, outcome } = apply(reaction({ umdJson: '{"n":1}' }));
    expect(frameOf(outcome)).toEqual({
      id,
      event: 'hotsock.messageReactionAdded',
      channel: 'c',
      data: { messageId: TARGET, reaction: '👍', action: 'add' },
      meta: { uid: 'u1', umd: { n: 1 } },
    });
    expect(dataOf(outcome)).toEqual([
      {
        channel: 'c',
        messageId: TARGET,
        id,
        reaction: '👍',
        uid: 'u1',
        umd: { n: 1 },
        createdAt: new Date(START + 100).toISOString(),
        expiresAt: null,
      },
    ]);
  });

  it('add, add, remove, remove: is told once each', () => {
    const outcomes = (['add', 'add', 'remove', 'remove'] as const).map((action) => apply(reaction({ action })));
    expect(outcomes.map(({ outcome }) => frameOf(outcome)?.event)).toEqual([
      'hotsock.messageReactionAdded',
      undefined,
      'hotsock.messageReactionRemoved',
      undefined,
    ]);
    expect(outcomes.map(({ outcome }) => outcome.events?.length ?? 0)).toEqual([1, 0, 1, 0]);
    expect(frameOf(outcomes[2]!.outcome)?.id).toBe(outcomes[2]?.id);
  });

  it('that is removed is described by the request that added it', () => {
    const adder = { connectionId: 'C1', sourceIp: '192.0.2.1', userAgent: 'a', requestId: 'r-add', umdJson: '1' };
    const added = apply(reaction({ ...adder, expiresMs: START + 90_500 }));
    const { outcome } = apply(
      reaction({ action: 'remove', connectionId: 'C2', requestId: 'r-remove', trigger: 'client.http', umdJson: '2' }),
    );
    const { umdJson: _umdJson, ...origin } = adder;
    expect(outcome.events?.[0]?.metadata).toEqual({ reaction: '👍', trigger: 'client.websocket', ...origin });
    expect(dataOf(outcome)[0]).toMatchObject({ id: added.id, umd: 1, expiresAt: '2026-01-01T00:01:30Z' });
    expect(frameOf(outcome)?.meta).toEqual({ uid: 'u1', umd: 2 });
  });

  it('is one for each value and user, and the anonymous one of servers is nobody by that name', () => {
    const added = [
      reaction(),
      reaction({ reaction: '👎' }),
      reaction({ uid: 'u2' }),
      reaction({ uid: null }),
      reaction({ uid: 'null' }),
      reaction({ messageId: messageId(START, 2, 0) }),
      reaction({ channel: 'd' }),
    ];
    for (const one of added) expect(frameOf(apply(one).outcome)).toBeDefined();
    for (const one of added) expect(frameOf(apply(one).outcome)).toBeUndefined();
  });

  it('leaves out the reacting connection unless it asked for its copy', () => {
    const connectionId = 'C1';
    expect(apply(reaction({ connectionId })).outcome.record?.exceptConnectionId).toBe('C1');
    const echoed = reaction({ connectionId, echo: true, action: 'remove' });
    expect(apply(echoed).outcome.record?.exceptConnectionId).toBeUndefined();
  });

  it('causes no event unless one was asked for', () => {
    expect(apply(reaction({ emitPubSubEvent: false })).outcome.events).toEqual([]);
  });

  it('to a message that has ended meanwhile changes nothing', () => {
    const expiresMs = START + 1_000;
    expect(apply(reaction({ expiresMs }), expiresMs).outcome).toEqual({});
    expect(apply(reaction({ expiresMs }), expiresMs - 1).outcome.record).toBeDefined();
  });

  it('is there or not as a naive model says, whatever was asked before', () => {
    const step = fc.record({
      reaction: fc.constantFrom('a', 'b'),
      uid: fc.constantFrom('u', 'v', null),
      action: fc.constantFrom('add' as const, 'remove' as const),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        state = new ChannelState();
        const present = new Set<string>();
        for (const one of steps) {
          const key = JSON.stringify([one.reaction, one.uid]);
          const changes = present.has(key) === (one.action === 'remove');
          expect(apply(reaction(one)).outcome.record !== undefined).toBe(changes);
          if (one.action === 'add') present.add(key);
          else present.delete(key);
        }
      }),
    );
  });
});
