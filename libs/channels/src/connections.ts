import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, SequencedOf } from './outcome';

/**
 * A connection has begun, changed or ended. Of one that has begun the introduction tells. One without a row has ended
 * before, by itself or with its gateway: there is nothing to tell of it any more.
 */
export function applyConnection({ operation }: SequencedOf<'connection'>, { connections }: ChannelState): Outcome {
  const { partition, gatewayId, connectionId, event, dataJson, unannounced, reason, introduces } = operation;
  const key = { partition, gatewayId, connectionId };
  if (event === 'connected') {
    const [introduction] = introduces ?? [];
    if (introduction !== undefined) connections.put({ ...key, dataJson: introduction.dataJson });
    return NOTHING;
  }
  const isOpen = connections.get(key) !== undefined;
  if (dataJson === undefined || (!isOpen && unannounced !== true)) return NOTHING;
  if (isOpen && event === 'disconnected') connections.drop(key);
  else if (isOpen) connections.put({ ...key, dataJson });
  return { events: [{ name: event, metadata: { reason }, dataJson }] };
}
