import { ProtocolError } from './errors';
import { isUlid } from './message-id';

/** What `data` of a `hotsock.messageReaction` asks for (channels-presence-storage §6.2, publish-api §8). */
export interface ReactionRequest {
  /** ULID, upper case. */
  readonly messageId: string;
  readonly reaction: string;
  readonly action: 'add' | 'remove';
}

const MAX_REACTION_BYTES = 100;
// eslint-disable-next-line no-control-regex -- control characters are what this rule refuses
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Why a string cannot be a reaction, or `undefined` when it can (publish-api §3.1). */
function reactionProblem(reaction: string): string | undefined {
  if (reaction.trim() === '') return 'data.reaction must not be blank';
  if (Buffer.byteLength(reaction) > MAX_REACTION_BYTES) {
    return `data.reaction must be at most ${MAX_REACTION_BYTES} bytes`;
  }
  if (reaction.includes('#')) return 'data.reaction must not contain number signs';
  if (CONTROL.test(reaction) || !reaction.isWellFormed()) {
    return 'data.reaction must not contain control characters or unpaired surrogates';
  }
  return undefined;
}

/**
 * @param data JSON text
 * @throws ProtocolError `INVALID_REACTION`
 */
export function reactionRequest(data: string): ReactionRequest {
  const value = JSON.parse(data) as { messageId?: unknown; reaction?: unknown; action?: unknown } | null;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ProtocolError('INVALID_REACTION', 'data must be an object with messageId, reaction and action');
  }
  const { messageId, reaction, action } = value;
  if (typeof messageId !== 'string' || !isUlid(messageId)) {
    throw new ProtocolError('INVALID_REACTION', 'data.messageId must be the id of a message');
  }
  if (typeof reaction !== 'string') throw new ProtocolError('INVALID_REACTION', 'data.reaction must be a string');
  const problem = reactionProblem(reaction);
  if (problem !== undefined) throw new ProtocolError('INVALID_REACTION', problem);
  if (action !== 'add' && action !== 'remove') {
    throw new ProtocolError('INVALID_REACTION', 'data.action must be "add" or "remove"');
  }
  return { messageId: messageId.toUpperCase(), reaction, action };
}
