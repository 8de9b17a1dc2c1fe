import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import { channelUpdated, subscriptionEvent } from './subscription-events';

/**
 * Changes the counts of standard channels (channels-presence-storage §2, §4). A report that was applied before changes
 * and tells nothing.
 */
export function applySubscriptions({ operation }: SequencedOf<'subscriptions'>, state: ChannelState): Outcome {
  const { partition, gatewayId, report, changes } = operation;
  if (report !== undefined) {
    const last = state.reports.get({ partition, gatewayId });
    if (last?.run === report.run && report.number <= last.number) return NOTHING;
    state.reports.put({ partition, gatewayId, ...report });
  }
  if (operation.buried === true) state.reports.drop({ partition, gatewayId });
  const events: OutcomeEvent[] = [];
  for (const { channel, count, subscription } of changes) {
    if (count !== undefined && count > 0) state.counts.put({ channel, gatewayId, count });
    else if (count !== undefined) state.counts.drop({ channel, gatewayId });
    if (operation.events !== true) continue;
    if (subscription !== undefined) {
      const name = subscription.ended === true ? 'unsubscribed' : 'subscribed';
      events.push(subscriptionEvent(name, channel, subscription));
    }
    if (count !== undefined) events.push(channelUpdated(channel, totalOf(channel, state)));
  }
  return events.length === 0 ? NOTHING : { events };
}

/** Over all gateways. */
function totalOf(channel: string, { counts }: ChannelState): number {
  let total = 0;
  for (const { count } of counts.of({ channel }).values()) total += count;
  return total;
}
