import fc from 'fast-check';
import type { OperationOf } from '@hearth/wire';
import { applyOperation, missingFor } from './apply-operation';
import { ChannelState } from './channel-state';
import type { Outcome } from './outcome';
import type { CountRow, ReportRow, RowChange, SubscriptionKey, SubscriptionRow } from './rows';

/** A database whose reads and writes take their time, and one owner of the partition on it. */
class Bench {
  state = new ChannelState();
  readonly rows = new Map<string, CountRow>();
  readonly reports = new Map<string, ReportRow>();
  private readonly unsaved: ReturnType<ChannelState['counts']['takeChanges']>[] = [];
  private sequence = 0;

  constructor() {
    this.takeOver();
  }

  /** Saves complete between the read and the learning of what was read. */
  apply(operation: OperationOf<'subscriptions'>, savesMeanwhile = 0): Outcome {
    const { counts } = missingFor([operation], this.state);
    const read = [...this.rows.values()].filter((row) => counts.some(({ channel }) => channel === row.channel));
    this.save(savesMeanwhile);
    if (counts.length > 0) this.state.counts.learn(counts, read);
    const position = { epoch: 1, sequence: ++this.sequence };
    const one = { id: 'id', position, acceptedMs: 0, operation, data: Buffer.alloc(0) };
    const outcome = applyOperation(one, this.state, { presenceMaxBytes: 1 });
    this.unsaved.push(this.state.counts.takeChanges());
    return outcome;
  }

  /** The partition gets another owner, who knows what the database has. */
  takeOver(): void {
    for (const [text, { row }] of this.state.reports.takeChanges()) {
      if (row === undefined) this.reports.delete(text);
      else this.reports.set(text, row);
    }
    this.save();
    this.state = new ChannelState();
    this.state.reports.learn([{ partition: 0 }], [...this.reports.values()]);
  }

  save(batches = Infinity): void {
    for (const changes of this.unsaved.splice(0, batches)) {
      for (const [text, { row }] of changes) {
        if (row === undefined) this.rows.delete(text);
        else this.rows.set(text, row);
      }
      this.state.counts.saved(changes);
    }
  }
}

const change = fc.record({
  channel: fc.constantFrom('a', 'b'),
  count: fc.option(fc.nat(3), { nil: undefined }),
});
const operations = fc.array(
  fc.record({
    gatewayId: fc.nat(2),
    events: fc.boolean(),
    changes: fc.array(change, { minLength: 1, maxLength: 3 }),
    savesMeanwhile: fc.nat(3),
  }),
  { maxLength: 40 },
);

describe('subscription counts', () => {
  it('are totals over gateways at each change, however late they are saved and whether or not events are wanted', () => {
    fc.assert(
      fc.property(operations, (all) => {
        const bench = new Bench();
        const truth = new Map<string, number>();
        const totalOf = (channel: string) =>
          [...truth].reduce((sum, [key, count]) => (key.startsWith(`${channel} `) ? sum + count : sum), 0);
        for (const { gatewayId, events, changes, savesMeanwhile } of all) {
          const operation = { kind: 'subscriptions', partition: 0, gatewayId, events, changes } as const;
          const outcome = bench.apply(operation, savesMeanwhile);
          const expected = changes.flatMap(({ channel, count }) => {
            if (count === undefined) return [];
            truth.set(`${channel} ${gatewayId}`, count);
            return [{ name: channel, subscriptionsCount: totalOf(channel) }];
          });
          const told = (outcome.events ?? []).map(({ dataJson }) => JSON.parse(String(dataJson)) as unknown);
          expect(told).toEqual(events ? expected : []);
        }
        bench.save();
        const saved = [...bench.rows.values()].map(({ channel, gatewayId, count }) => [
          `${channel} ${gatewayId}`,
          count,
        ]);
        expect(Object.fromEntries(saved)).toEqual(Object.fromEntries([...truth].filter(([, count]) => count > 0)));
      }),
      { numRuns: 500 },
    );
  });

  it('are told after the subscription that changed them, and not for one that does not count', () => {
    const subscription = { connectionId: 'c', uid: null, umdJson: '{"a":1}' };
    const { events } = new Bench().apply({
      kind: 'subscriptions',
      partition: 0,
      gatewayId: 1,
      events: true,
      changes: [
        { channel: 'a', count: 1, subscription },
        { channel: 'a', subscription: { ...subscription, ended: true } },
      ],
    });
    const data = { channel: 'a', connectionId: 'c', uid: null, umd: { a: 1 } };
    expect(events?.map(({ name, channel, dataJson }) => [name, channel, JSON.parse(String(dataJson))])).toEqual([
      ['subscribed', 'a', data],
      ['channelUpdated', 'a', { name: 'a', subscriptionsCount: 1 }],
      ['unsubscribed', 'a', data],
    ]);
  });

  it('need no look at the database when nobody wants events', () => {
    const operation = {
      kind: 'subscriptions',
      partition: 0,
      gatewayId: 1,
      changes: [{ channel: 'a', count: 1 }],
    } as const;
    expect(missingFor([operation], new ChannelState()).counts).toEqual([]);
  });
});

describe('an end of a subscription', () => {
  const who = { connectionId: 'c', uid: null, umdJson: 'null' };
  const key = { partition: 0, gatewayId: 1, channel: 'a', connectionId: 'c' };
  const began = who;
  const ended = { ...who, ended: true, announced: true };
  /** Names of what is told of operations applied in turn, each by another owner, and the rows in the end. */
  function told(...all: OperationOf<'subscriptions'>['changes'][number]['subscription'][]): unknown {
    const rows = new Map<string, RowChange<SubscriptionKey, SubscriptionRow>>();
    const names = all.flatMap((subscription, sequence) => {
      const state = new ChannelState();
      const changes = [{ channel: 'a', subscription }];
      const operation = { kind: 'subscriptions', partition: 0, gatewayId: 1, events: true, changes } as const;
      const wanted = missingFor([operation], state).subscriptions;
      const known = [...rows.values()].flatMap(({ row }) => row ?? []);
      if (wanted.length > 0) state.subscriptions.learn(wanted, known);
      const one = { id: 'id', position: { epoch: 1, sequence }, acceptedMs: 0, operation, data: Buffer.alloc(0) };
      const { events = [] } = applyOperation(one, state, { presenceMaxBytes: 1 });
      for (const [text, change] of state.subscriptions.takeChanges()) rows.set(text, change);
      return events.map(({ name }) => name);
    });
    return { names, rows: [...rows.values()].flatMap(({ row }) => row ?? []) };
  }

  it('is told once, whoever says so first, and leaves no row', () => {
    expect(told(began)).toEqual({ names: ['subscribed'], rows: [{ ...key, uid: null, umdJson: 'null' }] });
    expect(told(began, ended, ended)).toEqual({ names: ['subscribed', 'unsubscribed'], rows: [] });
  });

  it('is told of one that began when nobody wanted events, and by older gateways', () => {
    expect(told({ ...ended, announced: false })).toEqual({ names: ['unsubscribed'], rows: [] });
    expect(told(began, { ...who, ended: true })).toEqual({ names: ['subscribed', 'unsubscribed'], rows: [] });
  });

  it('soon after its beginning needs no look at the database', () => {
    const state = new ChannelState();
    const operation = (subscription: object): OperationOf<'subscriptions'> =>
      ({ kind: 'subscriptions', partition: 0, gatewayId: 1, changes: [{ channel: 'a', subscription }] }) as never;
    const one = { id: 'id', position: { epoch: 1, sequence: 1 }, acceptedMs: 0, data: Buffer.alloc(0) };
    applyOperation({ ...one, operation: operation(began) }, state, { presenceMaxBytes: 1 });
    state.subscriptions.saved(state.subscriptions.takeChanges());
    expect(missingFor([operation(ended)], state).subscriptions).toEqual([]);
  });
});

describe('a report of subscriptions after number 7', () => {
  const report = { run: 'r', number: 7 };
  const seventh = { kind: 'subscriptions', partition: 0, gatewayId: 1, events: true, report, changes: [] } as const;
  const changes = [{ channel: 'a', count: 9, subscription: { connectionId: 'c', uid: null, umdJson: 'null' } }];
  type Report = Partial<OperationOf<'subscriptions'>>;

  describe.each([
    ['same', (): void => undefined],
    ['next', (bench: Bench): void => bench.takeOver()],
  ])('by the %s owner', (_, takeOver) => {
    /** Events of the report, and the counts that are saved in the end. */
    const outcomeOf = (more: Report): unknown => {
      const bench = new Bench();
      bench.apply(seventh);
      takeOver(bench);
      const { events } = bench.apply({ ...seventh, changes, ...more });
      bench.takeOver();
      return { events: events?.map(({ name }) => name), counts: [...bench.rows.values()].map(({ count }) => count) };
    };

    it.each<[string, Report]>([
      ['number 7', {}],
      ['number 7 without events', { events: false }],
      ['number 6', { report: { ...report, number: 6 } }],
    ])('is not applied: %s', (_name, more) => {
      expect(outcomeOf(more)).toEqual({ counts: [] });
    });

    it.each<[string, Report]>([
      ['number 8', { report: { ...report, number: 8 } }],
      ['number 1 of another run', { report: { run: 's', number: 1 } }],
      ['number 7 of another gateway', { gatewayId: 2 }],
      ['one without a number, of an older gateway', { report: undefined }],
    ])('is applied: %s', (_name, more) => {
      expect(outcomeOf(more)).toEqual({ events: ['subscribed', 'channelUpdated'], counts: [9] });
    });

    it('is forgotten when the gateway is buried', () => {
      const bench = new Bench();
      const bury = { ...seventh, report: undefined, buried: true };
      bench.apply(seventh);
      takeOver(bench);
      bench.apply(bury);
      takeOver(bench);
      expect(bench.apply({ ...seventh, changes }).events).toHaveLength(2);
      bench.apply(bury);
      bench.takeOver();
      expect(bench.reports.size).toBe(0);
    });
  });
});
