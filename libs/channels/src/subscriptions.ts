import type { OperationOf, SubscriptionChange } from '@hearth/wire';
import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import type { SubscriptionKey } from './rows';
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
    const isNews =
      subscription !== undefined && noteSubscription({ partition, gatewayId, channel }, subscription, state);
    if (operation.events !== true) continue;
    if (isNews) {
      const name = subscription.ended === true ? 'unsubscribed' : 'subscribed';
      events.push(subscriptionEvent(name, channel, subscription));
    }
    if (count !== undefined) events.push(channelUpdated(channel, totalOf(channel, state)));
  }
  return events.length === 0 ? NOTHING : { events };
}

/** What must be known to tell of these ends once. */
export function announcedEnds({ partition, gatewayId, changes }: OperationOf<'subscriptions'>): SubscriptionKey[] {
  return changes.flatMap(({ channel, subscription }) =>
    subscription?.ended === true && subscription.announced === true
      ? [{ partition, gatewayId, channel, connectionId: subscription.connectionId }]
      : [],
  );
}

/**
 * A subscription has a row from its beginning until its end is told.
 *
 * @returns whether there is something to tell: of one without a row, which had one, the end has been told by whoever buried
 *   its gateway
 */
function noteSubscription(
  where: Omit<SubscriptionKey, 'connectionId'>,
  { connectionId, uid, umdJson, ended, announced }: NonNullable<SubscriptionChange['subscription']>,
  { subscriptions }: ChannelState,
): boolean {
  const key = { ...where, connectionId };
  if (ended === true) {
    const isTold = announced === true && subscriptions.get(key) === undefined;
    if (!isTold) subscriptions.drop(key);
    return !isTold;
  }
  // No look at the database is needed for a row that is new, nor soon after it for its end.
  subscriptions.learn([key], []);
  subscriptions.put({ ...key, uid, umdJson });
  return true;
}

/** Over all gateways. */
function totalOf(channel: string, { counts }: ChannelState): number {
  let total = 0;
  for (const { count } of counts.of({ channel }).values()) total += count;
  return total;
}
