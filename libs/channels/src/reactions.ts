import { idTimeMs, metaJson, reactionFrame, utcSeconds } from '@hearth/protocol';
import { OperationOf, OperationOrigin } from '@hearth/wire';
import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import type { ReactionKey, ReactionRow } from './rows';

/**
 * Adds a reaction to a message or takes it back (channels-presence-storage §6.2). One that is there already, or is not
 * there to be removed, changes nothing, and neither does any once the message has ended.
 */
export function applyReaction(sequenced: SequencedOf<'reaction'>, state: ChannelState): Outcome {
  const { operation, acceptedMs } = sequenced;
  if (operation.expiresMs !== undefined && operation.expiresMs <= acceptedMs) return NOTHING;
  const present = state.reactions.get(reactionKey(operation));
  if (operation.action === 'remove') return present === undefined ? NOTHING : removed(sequenced, present, state);
  return present === undefined ? added(sequenced, state) : NOTHING;
}

export function reactionKey({ channel, messageId, reaction, uid }: OperationOf<'reaction'>): ReactionKey {
  return { channel, messageId, reaction, uid };
}

function added(sequenced: SequencedOf<'reaction'>, state: ChannelState): Outcome {
  const { id, operation } = sequenced;
  const row: ReactionRow = {
    ...reactionKey(operation),
    id,
    umdJson: operation.umdJson,
    expiresMs: operation.expiresMs ?? null,
    origin: JSON.stringify(originOf(operation)),
  };
  state.reactions.put(row);
  return outcome(sequenced, event('messageReactionAdded', row));
}

/** The frame has an id of its own; the event is about the reaction that was, and how that came (pubsub-events §3.7). */
function removed(sequenced: SequencedOf<'reaction'>, row: ReactionRow, state: ChannelState): Outcome {
  state.reactions.drop(reactionKey(sequenced.operation));
  return outcome(sequenced, event('messageReactionRemoved', row));
}

function outcome({ id, operation }: SequencedOf<'reaction'>, about: OutcomeEvent): Outcome {
  const frame = reactionFrame({ ...operation, id, metaJson: metaJson(operation) });
  return {
    record: {
      channel: operation.channel,
      exceptConnectionId: operation.echo === true ? undefined : operation.connectionId,
      frame: Buffer.from(frame, 'utf8'),
    },
    events: operation.emitPubSubEvent ? [about] : [],
  };
}

function originOf(operation: OperationOrigin): OperationOrigin {
  const { trigger, requestId, connectionId, sourceIp, userAgent } = operation;
  return { trigger, requestId, connectionId, sourceIp, userAgent };
}

function event(name: 'messageReactionAdded' | 'messageReactionRemoved', row: ReactionRow): OutcomeEvent {
  const { channel, messageId, id, reaction, uid, expiresMs } = row;
  const { trigger, requestId, connectionId, sourceIp, userAgent } = JSON.parse(row.origin) as OperationOrigin;
  const what = JSON.stringify({ channel, messageId, id, reaction, uid });
  const when = JSON.stringify({
    createdAt: new Date(idTimeMs(id)).toISOString(),
    expiresAt: expiresMs === null ? null : utcSeconds(expiresMs),
  });
  return {
    name,
    channel,
    metadata: { reaction, requestId, trigger, connectionId, sourceIp, userAgent },
    dataJson: `${what.slice(0, -1)},"umd":${row.umdJson},${when.slice(1)}`,
  };
}
