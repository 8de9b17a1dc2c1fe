import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, SequencedOf } from './outcome';

export function applySubscriptions(_sequenced: SequencedOf<'subscriptions'>, _state: ChannelState): Outcome {
  return NOTHING;
}
