import { within } from '@hearth/timing';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A number that only grows. Counting is one addition: the Prometheus object is filled when somebody asks. */
export class Count {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }
}

/** A number that goes up and down; `/metrics` is without it until it is known. */
export class Level {
  value: number | undefined;
  /** Looks it up, in place of `value`. */
  reading: Reading | undefined;

  add(by: number): void {
    this.value = (this.value ?? 0) + by;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** One number per label value; on hot paths keep what `of` returns. Label values must come from a fixed set. */
export class Labelled<T> {
  readonly all = new Map<string, T>();

  constructor(private readonly make: () => T) {}

  of(label: string): T {
    let child = this.all.get(label);
    if (child === undefined) {
      child = this.make();
      this.all.set(label, child);
    }
    return child;
  }
}

/** Looks a number up; `undefined` or a failure when it cannot be known at the moment. */
export type Reading = () => number | undefined | Promise<number | undefined>;

/** Longest that `/metrics` waits for what another server has to be asked for; Prometheus gives up after 10 s. */
const READING_TIMEOUT_MS = 1_000;

/** One number per label value that is looked up when somebody asks, so that it is true, or absent. */
export class Readings {
  private readonly all = new Map<string, Reading>();

  /** @returns ends it: the number is absent from then on, unless somebody else tells it by now */
  add(label: string, reading: Reading): () => void {
    this.all.set(label, reading);
    return () => {
      if (this.all.get(label) === reading) this.all.delete(label);
    };
  }

  /** What is known at the moment, by label value. */
  async read(): Promise<(readonly [label: string, value: number])[]> {
    const values = await Promise.all(
      [...this.all].map(async ([label, reading]) => [label, await valueOf(reading)] as const),
    );
    return values.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const]));
  }
}

async function valueOf(reading: Reading): Promise<number | undefined> {
  try {
    return await within(READING_TIMEOUT_MS, Promise.resolve(reading()));
  } catch {
    return undefined;
  }
}

/** Everything `/metrics` shows. The names are the operator's interface: `docs/configuration.md` lists them. */
export class Metrics {
  readonly registry = new Registry();

  readonly connections = this.gauges('hearth_connections', 'Open client connections', 'transport');
  readonly subscriptions = this.gauge('hearth_subscriptions', 'Active subscriptions of the open connections');
  readonly accepted = this.counters('hearth_accepted_total', 'Publish requests accepted', 'route');
  readonly publishRefused = this.counters('hearth_publish_refused_total', 'Publish requests refused', 'code');
  readonly unknownFields = this.counters(
    'hearth_unknown_fields_total',
    'Members of accepted messages that are not known',
    'route',
  );
  readonly handshakeRefused = this.counters('hearth_handshake_refused_total', 'WebSocket handshakes refused', 'code');
  readonly delivered = this.counter('hearth_delivered_total', 'Messages written to client connections');
  readonly duplicatesDropped = this.counter('hearth_duplicates_dropped_total', 'Messages dropped as duplicates');
  readonly limited = this.countersOfTwo('hearth_limited_total', 'What limits have stopped', 'limit', 'answer');
  readonly slowConsumers = this.counter('hearth_slow_consumers_total', 'Connections closed at their backlog cap');
  readonly backlogBytes = this.gauge('hearth_backlog_bytes', 'Bytes that wait for clients to read, all together');
  readonly catchUps = this.counter('hearth_catch_ups_total', 'Gaps that gateways filled from the deliver stream');
  readonly catchUpsFailed = this.counter('hearth_catch_ups_failed_total', 'Gaps that gateways could not fill');
  readonly clockAheadSeconds = this.gauge(
    'hearth_clock_ahead_seconds',
    'How far this clock is ahead of the database’s',
  );
  readonly natsClockAheadSeconds = this.gauge(
    'hearth_nats_clock_ahead_seconds',
    'How far the clock of NATS is ahead of the database’s',
  );
  readonly eagerIdsRefused = this.counter('hearth_eager_ids_refused_total', 'Eager ids of clocks that are ahead');
  readonly eventsDropped = this.counter('hearth_events_dropped_total', 'Backend events dropped: the stream took none');
  readonly eventsWaiting = this.gauge('hearth_events_waiting', 'Backend events that wait for the events stream');
  readonly expiryTakenOver = this.gauge(
    'hearth_expiry_taken_over',
    '1 when the sequencer deletes expired rows because pg_cron does not',
  );
  readonly invariantBroken = this.counters(
    'hearth_invariant_broken_total',
    'Mistakes of Hearth that it noticed, by the invariant that did not hold',
    'invariant',
  );
  readonly refusedByDatabase = this.counters(
    'hearth_refused_by_database_total',
    'What was left out because Postgres refused it for what it is',
    'table',
  );
  readonly appendBatches = this.counter('hearth_append_batches_total', 'Batches committed to the message log');
  readonly appendRows = this.counter('hearth_append_rows_total', 'Messages committed to the message log');
  readonly sequencerLag = this.readings(
    'hearth_sequencer_lag',
    'Messages of the ingest stream that wait, 1 to 64 events each',
    'partition',
  );
  readonly webhooksDelivered = this.counters('hearth_webhooks_delivered_total', 'Webhooks delivered', 'target');
  readonly webhooksFailed = this.counters('hearth_webhooks_failed_total', 'Failed attempts to deliver', 'target');
  readonly webhooksDead = this.counters('hearth_webhooks_dead_letters_total', 'Events given up', 'target');
  readonly webhooksMissed = this.counters(
    'hearth_webhooks_missed_total',
    'Events that left the events stream before they were read',
    'target',
  );
  readonly webhooksWaiting = this.readings(
    'hearth_webhooks_waiting',
    'Events written down, not yet delivered',
    'target',
  );
  readonly webhooksLag = this.readings('hearth_webhooks_lag', 'Events of the stream not yet delivered', 'target');
  readonly webhooksPaused = this.readings('hearth_webhooks_paused', 'Whether the URL asked not to be called', 'target');
  readonly appendBatchSeconds = new Histogram({
    name: 'hearth_append_batch_seconds',
    help: 'Time to commit one batch',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** What `/metrics` answers (Prometheus text format). */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  private counter(name: string, help: string): Count {
    const count = new Count();
    this.show(Counter, name, help, [], () => [[{}, count.value]]);
    return count;
  }

  private counters(name: string, help: string, label: string): Labelled<Count> {
    const counts = new Labelled(() => new Count());
    this.show(Counter, name, help, [label], () => samples(counts, label));
    return counts;
  }

  private countersOfTwo(name: string, help: string, outer: string, inner: string): Labelled<Labelled<Count>> {
    const counts = new Labelled(() => new Labelled(() => new Count()));
    this.show(Counter, name, help, [outer, inner], () =>
      [...counts.all].flatMap(([value, byInner]) =>
        samples(byInner, inner).map(([labels, number]): Sample => [{ [outer]: value, ...labels }, number]),
      ),
    );
    return counts;
  }

  private gauge(name: string, help: string): Level {
    const level = new Level();
    this.show(Gauge, name, help, [], async () => {
      const value = level.reading === undefined ? level.value : await valueOf(level.reading);
      return value === undefined ? [] : [[{}, value]];
    });
    return level;
  }

  private gauges(name: string, help: string, label: string): Labelled<Level> {
    const levels = new Labelled(() => new Level());
    this.show(Gauge, name, help, [label], () => samples(levels, label));
    return levels;
  }

  private readings(name: string, help: string, label: string): Readings {
    const readings = new Readings();
    this.show(Gauge, name, help, [label], async () =>
      (await readings.read()).map(([value, number]): Sample => [{ [label]: value }, number]),
    );
    return readings;
  }

  private show(
    kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    labelNames: string[],
    read: () => readonly Sample[] | Promise<readonly Sample[]>,
  ): void {
    new kind({ name, help, labelNames, registers: [this.registry], collect: refill(read) });
  }
}

type Sample = readonly [labels: Record<string, string>, value: number];

/** A `collect` function that replaces what the Prometheus metric holds by our numbers. */
function refill(read: () => readonly Sample[] | Promise<readonly Sample[]>) {
  return async function (this: Counter | Gauge): Promise<void> {
    const samples = await read();
    // In one go: two that ask at the same time must not add up.
    this.reset();
    // Without labels a reset is a zero, which is a number like any other.
    this.remove({});
    for (const [labels, value] of samples) this.inc(labels, value);
  };
}

function samples(metrics: Labelled<Count | Level>, label: string): readonly Sample[] {
  return [...metrics.all].map(([value, metric]) => [{ [label]: value }, metric.value ?? 0]);
}
