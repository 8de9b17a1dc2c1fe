import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import { channelUpdated, subscriptionEvent } from './subscription-events';

/**
 * Changes the counts of standard channels (channels-presence-storage §2, §4). A report that was applied before changes
 * and tells nothing.
 */
export function applySubscriptions({ operation }: SequencedOf<'subscriptions'>, state: ChannelState): Outcome {
  const { partition, gatewayId, report, changes } = operation;
  if (report !== undefined && !state.reports.note({ partition, gatewayId, ...report })) return NOTHING;
  if (operation.buried === true) state.reports.drop({ partition, gatewayId });
  const events: OutcomeEvent[] = [];
  for (const { channel, count, subscription } of changes) {
    if (count !== undefined) state.counts.set({ channel, gatewayId, count });
    if (operation.events !== true) continue;
    if (subscription !== undefined) {
      const name = subscription.ended === true ? 'unsubscribed' : 'subscribed';
      events.push(subscriptionEvent(name, channel, subscription));
    }
    if (count !== undefined) events.push(channelUpdated(channel, state.counts.total(channel)));
  }
  return events.length === 0 ? NOTHING : { events };
}
