import type { Metrics } from '@hearth/runtime';

/** What is counted for one target. */
export type TargetMetrics = ReturnType<typeof targetMetrics>;

export function targetMetrics(metrics: Metrics, target: string) {
  return {
    delivered: metrics.webhooksDelivered.of(target),
    failed: metrics.webhooksFailed.of(target),
    dead: metrics.webhooksDead.of(target),
    missed: metrics.webhooksMissed.of(target),
  };
}
