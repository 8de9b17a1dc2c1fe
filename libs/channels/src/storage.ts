import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, SequencedOf } from './outcome';

export function applyStorage(_sequenced: SequencedOf<'storage'>, _state: ChannelState): Outcome {
  return NOTHING;
}

export function applyStorageExpiry(_sequenced: SequencedOf<'storageExpiry'>, _state: ChannelState): Outcome {
  return NOTHING;
}
