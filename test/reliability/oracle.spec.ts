import { messageId } from '@hearth/protocol';
import { Arrival, ConnectionLog, Intent, messageKey, Sighting } from './journal';
import { Evidence, judge, NO_OFFENCE, Offence } from './oracle';

const MANY = 10_000;
/** Enough for everything but to show that one of many is noticed. */
const MESSAGES = 200;
const MIDDLE = 83;
/** Where the first connection of the first subscriber ends, and the second one goes on. */
const LEFT = 120;
const RESUMED = 126;

/** The same shape as the real one, but with everything writable: each test spoils one thing. */
interface Case extends Evidence {
  readonly intents: Intent[];
  readonly connections: (ConnectionLog & { arrivals: Arrival[] })[];
  readonly table: Sighting[];
  readonly histories: Sighting[][];
}

const publisherOf = (n: number): string => `p${n % 3}`;

const all: readonly Sighting[] = Array.from({ length: MANY }, (_, n) => ({
  channel: 'c',
  id: messageId(1_700_000_000_000 + n, n, 0),
  message: messageKey(publisherOf(n), n),
  content: `["e",${n}]`,
}));

/** All messages were published, acked and delivered to three subscribers, the first of which reconnected halfway. */
function flawless(messages = MESSAGES): Case {
  const intents = Array.from({ length: messages }, (_, n): Intent => {
    const times = { intendedAt: 100 + n * 10, ackedAt: 100 + n * 10 + 25 };
    return {
      publisher: publisherOf(n),
      n,
      channel: 'c',
      isKept: n % 2 === 0,
      line: publisherOf(n),
      fate: 'acked',
      ...times,
    };
  });
  const connection = (label: string, from: number, to: number): Case['connections'][number] => ({
    label,
    gateway: label.startsWith('s2') ? 'two' : 'one',
    id: label,
    subscriptions: [
      {
        channel: 'c',
        askedAt: 97 + from * 10,
        confirmedAt: 99 + from * 10,
        holes: [],
        endedAt: to === messages ? Infinity : 100 + to * 10 + 8,
      },
    ],
    arrivals: all.slice(from, to).map((sighting, index) => ({ ...sighting, at: 100 + (from + index) * 10 + 8 })),
  });
  const kept = all.filter((_, n) => n % 2 === 0 && n < messages);
  return {
    intents,
    connections: [
      connection('s0#1', 0, LEFT),
      connection('s0#2', RESUMED, messages),
      connection('s1#1', 0, messages),
      connection('s2#1', 0, messages),
    ],
    table: [...kept].reverse(),
    histories: [[...kept]],
    until: new Map(),
  };
}

const resumedBehind = (after: string, complete: boolean) => ({
  after,
  seen: after,
  since: 0,
  visibleSince: 0,
  complete,
});

function found(evidence: Evidence): Partial<Record<Offence, number>> {
  const { examples, ...counts } = judge(evidence);
  const offences = Object.entries(counts).filter(([, count]) => count > 0);
  expect(examples.length > 0).toBe(offences.length > 0);
  return Object.fromEntries(offences);
}

const swap = <T>(list: T[], a: number, b: number): void => {
  [list[a], list[b]] = [list[b]!, list[a]!];
};

describe('the oracle', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(judge(flawless())).toEqual(NO_OFFENCE);
  });

  it('notices one of 10,000 messages that one subscriber did not get', () => {
    const spoiled = flawless(MANY);
    spoiled.connections[2]!.arrivals.splice(4_321, 1);
    expect(found(spoiled)).toEqual({ lost: 1 });
  });

  it('notices an accepted message that nobody got', () => {
    const spoiled = flawless();
    const { id } = spoiled.connections[2]!.arrivals[MIDDLE]!;
    for (const connection of spoiled.connections) {
      connection.arrivals = connection.arrivals.filter((arrival) => arrival.id !== id);
    }
    expect(found(spoiled)).toEqual({ lost: 1 });
  });

  it('accepts that a message of unknown fate does not appear, and that it does', () => {
    const spoiled = flawless();
    for (const place of [MIDDLE, MIDDLE + 2])
      Object.assign(spoiled.intents[place]!, { fate: 'unknown', ackedAt: Infinity });
    const { id } = spoiled.connections[2]!.arrivals[MIDDLE]!;
    for (const connection of spoiled.connections) {
      connection.arrivals = connection.arrivals.filter((arrival) => arrival.id !== id);
    }
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
  });

  it('notices the first and the last message that a subscription should have brought', () => {
    const first = flawless();
    first.connections[1]!.arrivals.shift();
    expect(found(first)).toEqual({ lost: 1 });
    const last = flawless();
    last.connections[3]!.arrivals.pop();
    expect(found(last)).toEqual({ lost: 1 });
  });

  it('notices a subscription that brought nothing', () => {
    const spoiled = flawless();
    spoiled.connections[1]!.arrivals = [];
    expect(found(spoiled)).toEqual({ lost: MESSAGES - RESUMED });
  });

  it('notices a kept message that the table or a page of history lacks', () => {
    const table = flawless();
    table.table.splice(MIDDLE, 1);
    expect(found(table)).toEqual({ lost: 1 });
    const history = flawless();
    history.histories[0]!.splice(MIDDLE, 1);
    expect(found(history)).toEqual({ lost: 1 });
  });

  it('notices a message that nobody published, one that was refused and one that was not to be kept', () => {
    const invented = flawless();
    const arrival = invented.connections[2]!.arrivals[MIDDLE]!;
    invented.histories[0]!.push({ ...arrival, id: messageId(1_800_000_000_000, 1, 0), message: 'nobody/1' });
    expect(found(invented)).toEqual({ phantom: 1 });
    const refused = flawless();
    Object.assign(refused.intents[MIDDLE]!, { fate: 'refused', ackedAt: Infinity, isKept: false });
    expect(found(refused).phantom).toBeGreaterThan(0);
    const kept = flawless();
    Object.assign(kept.intents[MIDDLE + 1]!, { isKept: false });
    expect(found(kept)).toEqual({ phantom: 2 });
  });

  it('notices one message that came twice, on one connection, in the table or in history', () => {
    const connection = flawless();
    connection.connections[2]!.arrivals.splice(MIDDLE, 0, connection.connections[2]!.arrivals[MIDDLE]!);
    expect(found(connection)).toEqual({ duplicate: 1 });
    const table = flawless();
    table.table.push(table.table[MIDDLE]!);
    expect(found(table)).toEqual({ duplicate: 1 });
    const history = flawless();
    history.histories[0]!.splice(MIDDLE, 0, history.histories[0]![MIDDLE]!);
    expect(found(history)).toEqual({ duplicate: 1 });
  });

  it('notices one message with two ids', () => {
    const spoiled = flawless();
    const { arrivals } = spoiled.connections[2]!;
    arrivals.push({ ...arrivals[MIDDLE]!, id: messageId(1_800_000_000_000, 1, 0), at: 1_000_000 });
    expect(found(spoiled).duplicate).toBe(1);
  });

  it('notices two messages with one deduplicationId', () => {
    const spoiled = flawless();
    for (const place of [MIDDLE, MIDDLE + 2]) Object.assign(spoiled.intents[place]!, { deduplicationId: 'once' });
    expect(found(spoiled)).toEqual({ duplicate: 1 });
  });

  it('notices two messages that changed places for one subscriber', () => {
    const spoiled = flawless();
    swap(spoiled.connections[2]!.arrivals, MIDDLE, MIDDLE + 1);
    expect(found(spoiled)).toEqual({ inverted: 1 });
  });

  it('notices two messages that changed places in history', () => {
    const spoiled = flawless();
    swap(spoiled.histories[0]!, MIDDLE, MIDDLE + 1);
    expect(found(spoiled)).toEqual({ inverted: 1 });
  });

  it('notices that everybody got two messages in another order than that of the answers to their publishers', () => {
    const spoiled = flawless();
    // Their publisher was answered 25 after it began, so one that began 30 later must come later.
    const [early, late] = [spoiled.intents[MIDDLE]!, spoiled.intents[MIDDLE + 3]!];
    const times = { intendedAt: early.intendedAt, ackedAt: early.ackedAt };
    Object.assign(early, { intendedAt: late.intendedAt, ackedAt: late.ackedAt, line: undefined });
    Object.assign(late, { ...times, line: undefined });
    expect(found(spoiled).inverted).toBeGreaterThan(0);
  });

  it('notices that a line came out in another order than it went in', () => {
    const spoiled = flawless();
    const [one, other] = [spoiled.intents[MIDDLE]!, spoiled.intents[MIDDLE + 1]!];
    // Sent at the same moment, without waiting for an answer.
    Object.assign(one, { line: 'batch', n: one.n });
    Object.assign(other, { line: 'batch', publisher: one.publisher, n: one.n - 1_000_000 });
    const before = messageKey(publisherOf(MIDDLE + 1), MIDDLE + 1);
    const rename = <T extends Sighting>(sighting: T): T =>
      sighting.message === before ? { ...sighting, message: messageKey(other.publisher, other.n) } : sighting;
    for (const connection of spoiled.connections) connection.arrivals = connection.arrivals.map(rename);
    expect(
      found({ ...spoiled, table: spoiled.table.map(rename), histories: spoiled.histories.map((h) => h.map(rename)) }),
    ).toEqual({
      inverted: 1,
    });
  });

  it('notices that one subscriber got something else under the same id', () => {
    const spoiled = flawless();
    const { arrivals } = spoiled.connections[2]!;
    arrivals[MIDDLE] = { ...arrivals[MIDDLE]!, content: 'spoiled' };
    expect(found(spoiled)).toEqual({ disagreeing: 1 });
  });

  it('notices a message that leaked to somebody who was not subscribed', () => {
    const spoiled = flawless();
    const outsider: ConnectionLog = {
      label: 'outsider#1',
      gateway: 'one',
      id: 'outsider',
      subscriptions: [{ channel: 'other', askedAt: 0, confirmedAt: 1, holes: [], endedAt: Infinity }],
      arrivals: [spoiled.connections[2]!.arrivals[MIDDLE]!],
    };
    expect(found({ ...spoiled, connections: [...spoiled.connections, outsider] })).toEqual({ leaked: 1 });
  });

  it('notices a message that came before the subscription was confirmed, or after it had ended', () => {
    const early = flawless();
    const { subscriptions } = early.connections[1]!;
    subscriptions[0] = { ...subscriptions[0]!, confirmedAt: subscriptions[0]!.confirmedAt + 10 };
    expect(found(early)).toEqual({ leaked: 1 });
    const late = flawless();
    late.connections[0]!.subscriptions[0]!.endedAt -= 20;
    expect(found(late)).toEqual({ leaked: 2 });
  });

  it('notices a message from before the subscription', () => {
    const spoiled = flawless();
    const [subscription] = spoiled.connections[1]!.subscriptions;
    const before = spoiled.connections[2]!.arrivals[RESUMED - 1]!;
    spoiled.connections[1]!.subscriptions[0] = { ...subscription!, askedAt: before.at - 150 };
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
    spoiled.connections[1]!.arrivals.unshift({ ...before, at: spoiled.connections[1]!.arrivals[0]!.at - 1 });
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
    // Its own gateway had delivered it to another client before this one asked.
    spoiled.connections[1]!.subscriptions[0] = { ...subscription!, askedAt: before.at + 1 };
    expect(found(spoiled)).toEqual({ leaked: 1 });
  });

  it('notices that a resume left something out or repeated something, unless it said that it is incomplete', () => {
    const resumedAfter = (place: number, complete: boolean): Case => {
      const spoiled = flawless();
      const { subscriptions } = spoiled.connections[1]!;
      subscriptions[0] = { ...subscriptions[0]!, resume: resumedBehind(all[place]!.id, complete) };
      return spoiled;
    };
    expect(judge(resumedAfter(RESUMED - 1, true))).toEqual(NO_OFFENCE);
    expect(found(resumedAfter(RESUMED - 2, true))).toEqual({ lost: 1 });
    expect(found(resumedAfter(RESUMED, true))).toEqual({ repeated: 1 });
    expect(judge(resumedAfter(LEFT, false))).toEqual(NO_OFFENCE);
  });

  it('notices that a resume of somebody who had seen nothing left something out, or showed too much', () => {
    const resumedSince = (since: number): Case => {
      const spoiled = flawless();
      const { subscriptions } = spoiled.connections[1]!;
      subscriptions[0] = {
        ...subscriptions[0]!,
        resume: { after: undefined, seen: undefined, since, visibleSince: since, complete: true },
      };
      return spoiled;
    };
    const { intendedAt } = flawless().intents[RESUMED]!;
    expect(judge(resumedSince(intendedAt - 1))).toEqual(NO_OFFENCE);
    expect(found(resumedSince(intendedAt - 11))).toEqual({ lost: 1 });
    // Others had got it 8 after it was published.
    expect(found(resumedSince(intendedAt + 9))).toEqual({ leaked: 1 });
  });

  it('accepts that a resume leaves out what its client sent without echo on the connection before', () => {
    const spoiled = flawless();
    const { subscriptions, arrivals } = spoiled.connections[1]!;
    subscriptions[0] = { ...subscriptions[0]!, resume: resumedBehind(all[RESUMED - 2]!.id, true) };
    Object.assign(spoiled.intents[RESUMED - 1]!, { exceptConnection: 's0#1' });
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
    arrivals.splice(0, 1);
    expect(found(spoiled)).toEqual({ lost: 1 });
  });

  it('accepts that a subscriber misses what it was told about, but for what is stored', () => {
    const spoiled = flawless();
    spoiled.connections[2]!.subscriptions[0]!.holes.push({ after: all[MIDDLE - 2]!.id, before: all[MIDDLE + 3]!.id });
    // Those with odd numbers are not stored.
    spoiled.connections[2]!.arrivals = spoiled.connections[2]!.arrivals.filter(
      ({ id }) => ![MIDDLE, MIDDLE + 2].some((n) => all[n]!.id === id),
    );
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
    spoiled.connections[2]!.arrivals.splice(MIDDLE - 1, 1);
    expect(found(spoiled)).toEqual({ lost: 1 });
  });

  it('notices a sender that got the copy it did not want', () => {
    const spoiled = flawless();
    Object.assign(spoiled.intents[MIDDLE]!, { exceptConnection: 's1#1' });
    expect(found(spoiled)).toEqual({ leaked: 1 });
    const { arrivals } = spoiled.connections[2]!;
    arrivals.splice(MIDDLE, 1);
    expect(judge(spoiled)).toEqual(NO_OFFENCE);
  });

  it('does not judge what came after the end', () => {
    const spoiled = flawless();
    const { id } = spoiled.connections[2]!.arrivals[MIDDLE]!;
    spoiled.connections[2]!.arrivals.splice(MIDDLE + 1);
    for (const intent of spoiled.intents.slice(MIDDLE + 1))
      Object.assign(intent, { fate: 'unknown', ackedAt: Infinity });
    expect(judge({ ...spoiled, until: new Map([['c', id]]) })).toEqual(NO_OFFENCE);
    expect(found(spoiled).lost).toBe(MESSAGES - MIDDLE - 1);
  });
});
