import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import { channelUpdated, subscriptionEvent } from './subscription-events';

/** Changes the counts of standard channels (channels-presence-storage §2, §4). */
export function applySubscriptions({ operation }: SequencedOf<'subscriptions'>, state: ChannelState): Outcome {
  const { gatewayId, changes } = operation;
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
