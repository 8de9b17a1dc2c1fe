import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { IngestOperation } from '@hearth/wire';
import { applyOperation, missingFor } from './apply-operation';
import { ChannelState, UnsavedChanges } from './channel-state';
import type { Outcome } from './outcome';
import type { StorageRow } from './rows';

/** Writes of storage entries, applied as a partition's owner does (channels-presence-storage §5.2). */

const RULES = { presenceMaxBytes: 1_000 };

/** A partition's memory with a database behind it that has whatever `save` wrote. */
class Partition {
  private state = new ChannelState();
  readonly saved = new Map<string, StorageRow>();
  private sequence = 0;

  apply(operation: IngestOperation, acceptedMs: number, data = ''): Outcome {
    const { storage } = missingFor([operation], this.state);
    this.state.storage.learn(
      storage,
      storage.flatMap(({ channel, key }) => this.saved.get(`${channel} ${key}`) ?? []),
    );
    const position = { epoch: 1, sequence: ++this.sequence };
    return applyOperation({ id: 'id', position, acceptedMs, operation, data: Buffer.from(data) }, this.state, RULES);
  }

  save(): void {
    const changes = UnsavedChanges.take(this.state);
    for (const { key, row } of changes.toRows().storage) {
      if (row === undefined) this.saved.delete(`${key.channel} ${key.key}`);
      else this.saved.set(`${key.channel} ${key.key}`, row);
    }
    changes.markSaved(this.state);
  }

  /** The next owner begins with what was saved. */
  handOver(): void {
    this.save();
    this.state = new ChannelState();
  }

  set(data: string, acceptedMs = 1_000, more: Partial<Extract<IngestOperation, { kind: 'storage' }>> = {}): Outcome {
    return this.apply(
      {
        kind: 'storage',
        channel: 'c',
        key: 'k',
        store: -1,
        emitPubSubEvent: true,
        meta: '{"uid":"u1","umd":null}',
        trigger: 'client.websocket',
        requestId: 'r',
        connectionId: 'c1',
        ...more,
      },
      acceptedMs,
      data,
    );
  }

  expire(expiresMs: number, acceptedMs: number): Outcome {
    return this.apply({ kind: 'storageExpiry', channel: 'c', key: 'k', expiresMs }, acceptedMs);
  }
}

const frameOf = ({ record }: Outcome): string | undefined => record?.frame.toString('utf8');
const eventsOf = ({ events }: Outcome): Record<string, unknown>[] =>
  (events ?? []).map(({ dataJson }) => JSON.parse(String(dataJson)) as Record<string, unknown>);

let partition: Partition;
beforeEach(() => {
  partition = new Partition();
});

describe('a write', () => {
  it('of a new key reaches observers as written, and says that there was nothing before', () => {
    const outcome = partition.set('{"n": 12345678901234567890}');
    expect(outcome.record).toMatchObject({ channel: 'c', notice: { kind: 'storage', key: 'k' } });
    expect(outcome.record?.exceptConnectionId).toBeUndefined();
    expect(frameOf(outcome)).toBe(
      '{"event":"hotsock.channelStorageUpdated","channel":"c","key":"k","data":{"n": 12345678901234567890},' +
        '"meta":{"uid":"u1","umd":null}}',
    );
    expect(outcome.events).toEqual([
      {
        name: 'channelStorageUpdated',
        channel: 'c',
        metadata: { key: 'k', trigger: 'client.websocket', connectionId: 'c1' },
        dataJson:
          '{"channel":"c","key":"k","data":{"n": 12345678901234567890},"dataPrevious":null,"expiresAt":null,' +
          '"meta":{"uid":"u1","umd":null}}',
      },
    ]);
  });

  it('of another value carries the one before, and the end in whole seconds', () => {
    partition.set('1');
    expect(eventsOf(partition.set('2', 1_500, { store: 60 }))).toEqual([
      expect.objectContaining({ data: 2, dataPrevious: 1, expiresAt: '1970-01-01T00:01:01Z' }),
    ]);
  });

  it('of an equal value is heard of by nobody, and refreshes end, meta, origin and gate', () => {
    partition.set('{"a":1,"b":2}');
    const meta = '{"uid":"u2","umd":3}';
    const more = { store: 5, meta, emitPubSubEvent: false, trigger: 'client.http', sourceIp: '1.2.3.4' } as const;
    expect(partition.set('{"b":2.0,"a":1}', 2_000, more)).toEqual({});
    partition.save();
    expect([...partition.saved.values()]).toEqual([
      {
        channel: 'c',
        key: 'k',
        data: '{"b":2.0,"a":1}',
        meta,
        expiresMs: 7_000,
        emitEvent: false,
        origin: '{"trigger":"client.http","connectionId":"c1","sourceIp":"1.2.3.4"}',
      },
    ]);
  });

  it.each(['null', '{}', ' { \n} '])('of %j clears, once', (nothing) => {
    partition.set('1', 1_000, { store: 60 });
    const outcome = partition.set(nothing, 1_000, { meta: '{"uid":"u2","umd":null}' });
    expect(frameOf(outcome)).toContain('"data":null,"meta":{"uid":"u2","umd":null}}');
    expect(eventsOf(outcome)).toEqual([
      { channel: 'c', key: 'k', data: null, dataPrevious: 1, expiresAt: null, meta: { uid: 'u2', umd: null } },
    ]);
    expect(partition.set(nothing)).toEqual({});
    partition.save();
    expect(partition.saved.size).toBe(0);
  });

  it.each(['[]', '""', '0', 'false', '{"a":null}'])('of %s is a value', (value) => {
    expect(frameOf(partition.set(value))).toContain(`"data":${value},`);
  });

  it('emits no event without the gate', () => {
    expect(partition.set('1', 1_000, { emitPubSubEvent: false }).events ?? []).toEqual([]);
    expect(frameOf(partition.set('2', 1_000, { emitPubSubEvent: false }))).toBeDefined();
  });
});

describe('an entry whose time has passed', () => {
  const ended = expect.objectContaining({ data: null, dataPrevious: 1, expired: true });
  beforeEach(() => partition.set('1', 1_000, { store: 1 }));

  it('ends with an event for nobody but backends, with the values of the last write', () => {
    const outcome = partition.expire(2_000, 2_000);
    expect(outcome.record).toBeUndefined();
    expect(outcome.events).toEqual([
      {
        name: 'channelStorageUpdated',
        channel: 'c',
        metadata: { key: 'k', trigger: 'client.websocket', connectionId: 'c1' },
        dataJson:
          '{"channel":"c","key":"k","data":null,"dataPrevious":1,"expired":true,' +
          '"expiresAt":"1970-01-01T00:00:02Z","meta":{"uid":"u1","umd":null}}',
      },
    ]);
    expect(partition.expire(2_000, 2_000)).toEqual({});
  });

  it('ends silently when the last write wanted no event', () => {
    partition.set('1', 1_000, { store: 2, emitPubSubEvent: false });
    expect(partition.expire(3_000, 3_000)).toEqual({});
    partition.save();
    expect(partition.saved.size).toBe(0);
  });

  it('does not end before it, nor when it was written again', () => {
    expect(partition.expire(2_000, 1_999)).toEqual({});
    partition.set('1', 1_500, { store: 1 });
    expect(partition.expire(2_000, 2_200)).toEqual({});
    expect(eventsOf(partition.expire(2_500, 2_500))).toEqual([ended]);
  });

  it('is none for the next write, which first ends it', () => {
    const outcome = partition.set('1', 2_000);
    expect(frameOf(outcome)).toContain('"data":1,');
    expect(eventsOf(outcome)).toEqual([ended, expect.objectContaining({ data: 1, dataPrevious: null })]);
    expect(partition.expire(2_000, 3_000)).toEqual({});
  });

  it('cannot be cleared any more, only ended', () => {
    const outcome = partition.set('null', 2_000);
    expect(outcome.record).toBeUndefined();
    expect(eventsOf(outcome)).toEqual([ended]);
  });
});

describe('any history of writes', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b'),
    value: fc.constantFrom('null', '{}', '1', '1.0', '[]', '{"a":1,"b":2}', '{"b":2,"a":1}', '"x"'),
    store: fc.constantFrom(-1, 1, 3),
    emit: fc.boolean(),
    waitMs: fc.constantFrom(0, 400, 1_000),
    what: fc.constantFrom('set', 'set', 'expire', 'hand over'),
  });

  it('comes to what a naive model says: entries, updates and events', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const real = new Partition();
        const model = new Map<string, { value: unknown; endsMs: number; emit: boolean }>();
        let nowMs = 1_000;
        for (const { key, value: text, store, emit, waitMs, what } of steps) {
          nowMs += waitMs;
          const before = model.get(key);
          const isThere = before !== undefined && before.endsMs > nowMs;
          const events: unknown[] = [];
          if (what === 'hand over') {
            real.handOver();
            continue;
          }
          if (before !== undefined && !isThere) {
            if (before.emit) events.push({ data: null, dataPrevious: before.value, expired: true });
            model.delete(key);
          }
          if (what === 'expire') {
            const expiresMs = before?.endsMs ?? 0;
            const outcome = real.apply({ kind: 'storageExpiry', channel: 'c', key, expiresMs }, nowMs);
            expect([outcome.record, shape(outcome)]).toEqual([undefined, events]);
            continue;
          }
          const parsed = JSON.parse(text) as unknown;
          const isClear = parsed === null || isDeepStrictEqual(parsed, {});
          const value = isClear ? null : parsed;
          const old = isThere ? before.value : null;
          const isChanged = !isDeepStrictEqual(value, old);
          if (isChanged && emit) events.push({ data: value, dataPrevious: old });
          if (isClear) model.delete(key);
          else model.set(key, { value, endsMs: store === -1 ? Infinity : nowMs + store * 1_000, emit });
          const outcome = real.set(text, nowMs, { key, store, emitPubSubEvent: emit });
          const frame = frameOf(outcome);
          expect(frame === undefined ? undefined : (JSON.parse(frame) as { data: unknown }).data).toEqual(
            isChanged ? value : undefined,
          );
          expect(shape(outcome)).toEqual(events);
        }
        real.save();
        const entries = [...real.saved.values()].map(({ key, data }) => [key, JSON.parse(data) as unknown]);
        expect(new Map(entries as [string, unknown][])).toEqual(
          new Map([...model].map(([key, { value }]) => [key, value])),
        );
      }),
      { numRuns: 500 },
    );
  });

  function shape(outcome: Outcome): unknown[] {
    return eventsOf(outcome).map(({ data, dataPrevious, expired }) => ({
      data,
      dataPrevious,
      ...(expired === undefined ? {} : { expired }),
    }));
  }
});
