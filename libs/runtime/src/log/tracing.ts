import { randomBytes } from 'node:crypto';
import type { ReloadableSettings } from '@hearth/config';
import type { Logger } from './logger';

/**
 * Sampled spans as log records of the type `app.span` (configuration §1). Everything follows from the id of a request:
 * the trace's id is that UUID without its dashes, the root span's id is the trace's second half, and whether it is
 * sampled is decided by its first digits. So every service that knows the id takes the same decision, and nothing has
 * to be carried along.
 */
export class Tracing {
  constructor(
    private readonly reloadable: Pick<ReloadableSettings, 'current'>,
    private readonly logger: Pick<Logger, 'info'>,
  ) {}

  /**
   * Begins the root span of a request. Costs a comparison and allocates nothing for a request that is not sampled.
   *
   * @param requestId a random UUID
   * @returns `undefined` for requests outside the `HEARTH_TRACES_SAMPLE_RATE` percent
   */
  begin(spanName: string, requestId: string): Span | undefined {
    if (shareOf(requestId) * 100 >= this.reloadable.current.tracesSampleRate) return undefined;
    const traceId = requestId.replaceAll('-', '');
    return new Span(this.logger, spanName, traceId, traceId.slice(16), null);
  }
}

/** One timed step of a sampled request. It is written when it ends. */
export class Span {
  private readonly startEpochMs = Date.now();
  /** The wall clock may step while the span lasts. */
  private readonly startedAt = performance.now();

  constructor(
    private readonly logger: Pick<Logger, 'info'>,
    private readonly spanName: string,
    private readonly traceId: string,
    private readonly spanId: string,
    private readonly parentSpanId: string | null,
  ) {}

  /** Begins a step within this one. */
  child(spanName: string): Span {
    return new Span(this.logger, spanName, this.traceId, randomBytes(8).toString('hex'), this.spanId);
  }

  /** Writes the span's record. Call it once. */
  end(status: 'ok' | 'error'): void {
    const { spanName, traceId, spanId, parentSpanId, startEpochMs } = this;
    const durationMs = Math.round((performance.now() - this.startedAt) * 1_000) / 1_000;
    this.logger.info({ type: 'app.span', traceId, spanId, parentSpanId, spanName, status, startEpochMs, durationMs });
  }
}

/**
 * Ends `span` when `work` does.
 *
 * @returns `work` itself, so that what is not sampled costs nothing
 */
export function traced<T>(span: Span | undefined, work: Promise<T>): Promise<T> {
  if (span !== undefined) {
    work.then(
      () => span.end('ok'),
      () => span.end('error'),
    );
  }
  return work;
}

/** Where the first 24 bits of a UUID, all of them random, lie between 0 and 1. */
function shareOf(requestId: string): number {
  let bits = 0;
  for (let index = 0; index < 6; index++) bits = (bits << 4) | hexDigit(requestId.charCodeAt(index));
  return bits / 2 ** 24;
}

/** @param code of `0`–`9`, `a`–`f` or `A`–`F` */
function hexDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}
