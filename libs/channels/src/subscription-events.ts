import { metaJson } from '@hearth/protocol';
import type { OutcomeEvent } from './outcome';

/** Backend events about who is subscribed (pubsub-events §3.2, §3.3). */

export interface SubscriptionDetails {
  readonly connectionId: string;
  readonly uid: string | null;
  readonly umdJson: string;
}

export function subscriptionEvent(
  name: 'subscribed' | 'unsubscribed',
  channel: string,
  subscription: SubscriptionDetails,
): OutcomeEvent {
  const head = JSON.stringify({ channel, connectionId: subscription.connectionId });
  const dataJson = `${head.slice(0, -1)},${metaJson(subscription).slice(1)}`;
  return { name, channel, metadata: {}, dataJson };
}

export function channelUpdated(channel: string, subscriptionsCount: number): OutcomeEvent {
  const dataJson = JSON.stringify({ name: channel, subscriptionsCount });
  return { name: 'channelUpdated', channel, metadata: {}, dataJson };
}
