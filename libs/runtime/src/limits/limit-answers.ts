import type { Count, Metrics } from '../admin/metrics';
import type { Logger } from '../log/logger';

/** What a limit has done to somebody (limits §7). */
export interface LimitAnswer {
  /** In camelCase. */
  readonly limit: string;
  readonly answer: 'refused' | 'delayed' | 'closed';
  /** Whom it has met: a connection, user, address, key or channel by its name; no secret. */
  readonly key: string;
  readonly sourceIp?: string;
  readonly uid?: string | null;
}

/** A limit is warned of once in this time. */
const WARN_MS = 60_000;
/** Keys that are counted for one limit in that time; of more, the first ones. */
const MOST_KEYS = 1_000;

/** What one limit has done since it was warned of. */
interface Tally {
  number: number;
  readonly byKey: Map<string, number>;
}

/** Counts whatever limits do, for `/metrics`, and warns of it once a minute. The one place where it is counted. */
export class LimitAnswers {
  private readonly tallies = new Map<string, Tally>();
  private listener: ((answer: LimitAnswer) => void) | undefined;

  constructor(
    private readonly metrics: Pick<Metrics, 'limited'>,
    private readonly logger: Pick<Logger, 'warn'>,
  ) {}

  /** Calls `listener` with each answer; it must be cheap, because there may be very many. */
  onAnswer(listener: (answer: LimitAnswer) => void): void {
    this.listener = listener;
  }

  count(answer: LimitAnswer): void {
    const { limit, key } = answer;
    this.counter(answer).inc();
    this.listener?.(answer);
    const tally = this.tallies.get(limit);
    if (tally !== undefined) return add(tally, key);
    this.warn(limit, { number: 1, byKey: new Map([[key, 1]]) });
  }

  private counter({ limit, answer }: LimitAnswer): Count {
    return this.metrics.limited.of(limit).of(answer);
  }

  private warn(limit: string, { number, byKey }: Tally): void {
    const [[worst, times] = ['', 0]] = [...byKey].sort(([, one], [, other]) => other - one);
    this.logger.warn({ limit, number, worst, times }, 'a limit was reached');
    this.tallies.set(limit, { number: 0, byKey: new Map() });
    setTimeout(() => this.look(limit), WARN_MS).unref();
  }

  private look(limit: string): void {
    const tally = this.tallies.get(limit);
    this.tallies.delete(limit);
    if (tally !== undefined && tally.number > 0) this.warn(limit, tally);
  }
}

function add(tally: Tally, key: string): void {
  tally.number++;
  const times = tally.byKey.get(key);
  if (times !== undefined || tally.byKey.size < MOST_KEYS) tally.byKey.set(key, (times ?? 0) + 1);
}
