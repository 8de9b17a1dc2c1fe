import type { Count, Metrics } from '@hearth/runtime';

/** What is counted for one target. */
export interface TargetMetrics {
  readonly delivered: Count;
  readonly failed: Count;
  readonly dead: Count;
  readonly missed: Count;
}

export function targetMetrics(metrics: Metrics, target: string): TargetMetrics {
  return {
    delivered: metrics.webhooksDelivered.of(target),
    failed: metrics.webhooksFailed.of(target),
    dead: metrics.webhooksDead.of(target),
    missed: metrics.webhooksMissed.of(target),
  };
}
