import type { Count, Level, Metrics } from '@hearth/runtime';

/** The metrics of one target. */
export interface TargetMetrics {
  readonly delivered: Count;
  readonly failed: Count;
  readonly dead: Count;
  readonly missed: Count;
  readonly waiting: Level;
  readonly lag: Level;
  readonly paused: Level;
}

export function targetMetrics(metrics: Metrics, target: string): TargetMetrics {
  return {
    delivered: metrics.webhooksDelivered.of(target),
    failed: metrics.webhooksFailed.of(target),
    dead: metrics.webhooksDead.of(target),
    missed: metrics.webhooksMissed.of(target),
    waiting: metrics.webhooksWaiting.of(target),
    lag: metrics.webhooksLag.of(target),
    paused: metrics.webhooksPaused.of(target),
  };
}
