import { idTimeMs } from '@hearth/protocol';
import { encodeBundle, encodeIngestEvent, eventSequence, IngestEvent } from '@hearth/wire';
import type { StreamMessage } from '@hearth/stream';
import * as fc from 'fast-check';
import { encodeTime } from 'ulid';
import { Sequencing } from './sequencing';

const NOW = Date.UTC(2026, 0, 1);
const TOLERANCE_MS = 5_000;

interface Stored {
  readonly sequence: number;
  readonly timeMs: number;
  readonly eagerId?: string;
}

function stored({ sequence, timeMs, eagerId }: Stored): StreamMessage {
  const event: IngestEvent = {
    requestId: `r${sequence}`,
    channel: 'c',
    event: 'e',
    trigger: 'server.http',
    store: 0,
    emitPubSubEvent: false,
    eagerId,
  };
  const payload = encodeIngestEvent(event, String(sequence));
  return { sequence, timeMs, timeNs: `${timeMs}000000`, subject: 'ingest', payload, pending: 0 };
}

/** Events that came together, in one message of the stream. */
function bundled(sequence: number, timeMs: number, events: number): StreamMessage {
  const payloads = Array.from({ length: events }, () => Buffer.from(stored({ sequence, timeMs }).payload));
  return { ...stored({ sequence, timeMs }), payload: encodeBundle(payloads) };
}

function idsOf(messages: readonly StreamMessage[], markMs = 0): string[] {
  return new Sequencing(3, 1, markMs, TOLERANCE_MS, STRICT).sequence(messages).map(({ id }) => id);
}

const STRICT = {
  poison(_message: StreamMessage, error: unknown): void {
    throw error;
  },
};

const isRising = (ids: readonly string[]): boolean => ids.every((id, index) => index === 0 || id > ids[index - 1]!);

describe('the ids of a partition (publish-api §5, §6)', () => {
  it('rise whatever the clock of the stream does', () => {
    const times = fc.array(fc.integer({ min: NOW - 10_000, max: NOW + 10_000 }), { maxLength: 50 });
    fc.assert(
      fc.property(times, (list) => {
        expect(isRising(idsOf(list.map((timeMs, index) => stored({ sequence: index + 1, timeMs }))))).toBe(true);
      }),
    );
  });

  it('are found out when they do not: what the stream gives again gets no id, and is no poison', () => {
    const sequencing = new Sequencing(3, 1, 0, TOLERANCE_MS, { poison: () => undefined });
    const [earlier, later] = [1, 2].map((sequence) => stored({ sequence, timeMs: NOW }));
    expect(sequencing.sequence([later!])).toHaveLength(1);
    for (const again of [earlier!, later!])
      expect(() => sequencing.sequence([again])).toThrow(expect.objectContaining({ invariant: 'ids-rise' }));
  });

  it('are not moved by an eager id of a clock that is too far ahead, which is not used', () => {
    const [year, ahead] = [365 * 86_400_000, NOW + TOLERANCE_MS];
    const refused: string[] = [];
    const sequencing = new Sequencing(3, 1, 0, TOLERANCE_MS, { ...STRICT, eagerIdRefused: (id) => refused.push(id) });
    const [right, wrong] = [encodeTime(ahead, 10), encodeTime(NOW + year, 10)].map(
      (time) => `${time}${'0'.repeat(16)}`,
    );
    const messages = [wrong, right, undefined].map((eagerId, index) =>
      stored({ sequence: index + 1, timeMs: NOW, eagerId }),
    );
    const [first, second, third] = sequencing.sequence(messages).map(({ id }) => id);
    expect([second, refused]).toEqual([right, [wrong]]);
    expect([idTimeMs(first ?? ''), idTimeMs(third ?? '')]).toEqual([NOW, ahead + 1]);
  });

  it('are not moved by a nats-server whose clock is wrong or is set', () => {
    const sent = (sequence: number, timeMs: number, sentMs: number) => ({ ...stored({ sequence, timeMs }), sentMs });
    const [YEAR, HOUR] = [365 * 86_400_000, 3_600_000];
    const told: number[] = [];
    const messages = [
      sent(1, NOW + YEAR, NOW),
      sent(2, NOW + YEAR + 1, NOW + 1),
      // It is set right, then an hour back.
      sent(3, NOW + 20, NOW + 10),
      sent(4, NOW - HOUR, NOW + 30),
      stored({ sequence: 5, timeMs: NOW + 40 }),
    ];
    const sequencing = new Sequencing(3, 1, 0, TOLERANCE_MS, { ...STRICT, streamClock: (ms) => told.push(ms) });
    const all = sequencing.sequence(messages);
    expect(all.map(({ id }) => idTimeMs(id) - NOW)).toEqual([0, 1, 20, 30, 40]);
    expect(all.map(({ acceptedMs }) => acceptedMs - NOW)).toEqual([0, 1, 20, 30, 40]);
    expect(told).toEqual([YEAR, YEAR, 10, -HOUR - 30]);
  });

  it('rise within a millisecond', () => {
    const burst = Array.from({ length: 2_000 }, (_, index) => stored({ sequence: index + 1, timeMs: NOW }));
    expect(isRising(idsOf(burst))).toBe(true);
  });

  it('rise within what came together', () => {
    const bundles = fc.array(
      fc.record({ timeMs: fc.integer({ min: NOW - 5, max: NOW + 5 }), events: fc.integer({ min: 1, max: 64 }) }),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(bundles, (list) => {
        const ids = idsOf(list.map(({ timeMs, events }, index) => bundled(index + 1, timeMs, events)));
        expect(ids).toHaveLength(list.reduce((sum, { events }) => sum + events, 0));
        expect(isRising(ids)).toBe(true);
      }),
    );
  });

  it('are the same when the same is read again from the same place, wherever the reads end', () => {
    const messages = [NOW, NOW - 5_000, NOW + 1, NOW + 1].map((timeMs, index) =>
      stored({ sequence: index + 1, timeMs }),
    );
    const whole = idsOf(messages);
    for (let cut = 0; cut <= messages.length; cut++) {
      const before = new Sequencing(3, 1, 0, TOLERANCE_MS, STRICT);
      const first = before.sequence(messages.slice(0, cut)).map(({ id }) => id);
      expect([...first, ...idsOf(messages.slice(cut), before.markMs)]).toEqual(whole);
    }
  });

  it('never begin below the mark of those before', () => {
    const [id] = idsOf([stored({ sequence: 1, timeMs: NOW })], NOW + 60_000);
    expect(idTimeMs(id!)).toBe(NOW + 60_000);
  });

  it('keep what was promised, and are greater than it afterwards', () => {
    const ahead = '01KDZZZZZZZZZZZZZZZZZZZZZZ';
    expect(idTimeMs(ahead)).toBeGreaterThan(NOW - 10 * 86_400_000);
    const late = idTimeMs(ahead) - 5_000;
    const ids = idsOf([
      stored({ sequence: 1, timeMs: late, eagerId: ahead }),
      stored({ sequence: 2, timeMs: late }),
      stored({ sequence: 3, timeMs: late }),
    ]);
    expect(ids[0]).toBe(ahead);
    expect(isRising(ids)).toBe(true);
  });

  it('are not lowered by a promised one that is older', () => {
    const old = '01KAAAAAAAAAAAAAAAAAAAAAAA';
    const ids = idsOf([
      stored({ sequence: 1, timeMs: NOW }),
      stored({ sequence: 2, timeMs: NOW, eagerId: old }),
      stored({ sequence: 3, timeMs: NOW - 1_000 }),
    ]);
    expect(ids[1]).toBe(old);
    expect(ids[2]! > ids[0]!).toBe(true);
  });
});

it('leaves out what is no publish request, and says which', () => {
  const poison: number[] = [];
  const sequencing = new Sequencing(3, 1, 0, TOLERANCE_MS, { poison: ({ sequence }) => poison.push(sequence) });
  const broken = { ...stored({ sequence: 2, timeMs: NOW }), payload: Buffer.from('{"r":') };
  const all = [stored({ sequence: 1, timeMs: NOW }), broken, stored({ sequence: 3, timeMs: NOW })];
  const places = sequencing.sequence(all).map(({ position }) => position.sequence);
  expect(places).toEqual([eventSequence(1, 0), eventSequence(3, 0)]);
  expect(poison).toEqual([2]);
});

it('leaves out one of several that came together, and those whose sizes are wrong', () => {
  const poison: number[] = [];
  const sequencing = new Sequencing(3, 1, 0, TOLERANCE_MS, { poison: ({ sequence }) => poison.push(sequence) });
  const good = Buffer.from(stored({ sequence: 1, timeMs: NOW }).payload);
  const withBroken = encodeBundle([good, Buffer.from('{"r":'), good]);
  const all = [
    { ...stored({ sequence: 1, timeMs: NOW }), payload: withBroken },
    { ...stored({ sequence: 2, timeMs: NOW }), payload: withBroken.subarray(0, -1) },
  ];
  const places = sequencing.sequence(all).map(({ position }) => position.sequence);
  expect(places).toEqual([eventSequence(1, 0), eventSequence(1, 2)]);
  expect(poison).toEqual([1, 2]);
});
