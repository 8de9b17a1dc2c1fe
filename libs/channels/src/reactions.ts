import type { OperationOf } from '@hearth/protocol';
import type { ReactionKey } from './rows';
import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, SequencedOf } from './outcome';

export function applyReaction(_sequenced: SequencedOf<'reaction'>, _state: ChannelState): Outcome {
  return NOTHING;
}

export function reactionKey({ channel, messageId, reaction, uid }: OperationOf<'reaction'>): ReactionKey {
  return { channel, messageId, reaction, uid };
}
