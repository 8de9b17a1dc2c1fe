import type { ChannelState } from './channel-state';
import type { ChannelRules } from './apply-operation';
import { NOTHING, Outcome, SequencedOf } from './outcome';

export function applyJoin(_sequenced: SequencedOf<'join'>, _state: ChannelState, _rules: ChannelRules): Outcome {
  return NOTHING;
}

export function applyLeave(_sequenced: SequencedOf<'leave'>, _state: ChannelState): Outcome {
  return NOTHING;
}

export function applyUmd(_sequenced: SequencedOf<'umd'>, _state: ChannelState, _rules: ChannelRules): Outcome {
  return NOTHING;
}
