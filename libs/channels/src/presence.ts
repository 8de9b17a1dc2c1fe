import { MemberEvent, memberFrame, sameJson } from '@hearth/protocol';
import { OperationOf } from '@hearth/wire';
import type { ChannelRules } from './apply-operation';
import type { ChannelState } from './channel-state';
import { Member, memberBytes, MemberList } from './member-list';
import { NOTHING, Outcome, OutcomeEvent, SequencedOf } from './outcome';
import type { PresenceRow } from './rows';
import { channelUpdated, subscriptionEvent } from './subscription-events';

/** Presence channels (channels-presence-storage §3): who is there, and what the others hear of it. */

const NO_FRAME = Buffer.alloc(0);

/**
 * A connection enters. Its record tells its gateway that it has, with the members as of this place; the others hear of a
 * new user or of new metadata, if it brought any.
 */
export function applyJoin({ operation }: SequencedOf<'join'>, state: ChannelState, rules: ChannelRules): Outcome {
  const { channel, connectionId, gatewayId, uid, umdJson, uncounted } = operation;
  const list = state.membersOf(channel);
  // Whoever asks again has not heard the answer.
  if (state.presence.get({ channel, connectionId }) !== undefined) return entered(operation, list, NO_FRAME);
  const member = list.get(uid);
  const isUpdate = member !== undefined && !sameJson(member.umdJson, umdJson);
  if (member === undefined && list.size >= (rules.maxMembers ?? Infinity)) {
    const message = `channel: ${channel} may have at most ${rules.maxMembers} members`;
    return { refusal: { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED', message } };
  }
  if (member === undefined || isUpdate) {
    const refusal = capacityRefusal(channel, list, memberBytes(uid, umdJson) - (member?.bytes ?? 0), rules);
    if (refusal !== undefined) return { refusal };
  }
  if (isUpdate) updateUmd(channel, member, umdJson, list, state);
  const memberOrder = member?.order ?? list.nextOrder;
  const umd = member === undefined || isUpdate ? umdJson : member.umdJson;
  const counted = uncounted !== true;
  const row: PresenceRow = { channel, connectionId, gatewayId, uid, umdJson: umd, memberOrder, counted };
  list.enter(row);
  state.presence.put(row);

  const event = member === undefined ? 'memberAdded' : isUpdate ? 'memberUpdated' : undefined;
  const told = event === undefined ? undefined : tell(event, channel, list.get(uid), list);
  const outcome = entered(operation, list, told?.frame ?? NO_FRAME, event === 'memberAdded');
  const subscribed = subscriptionEvent('subscribed', channel, { connectionId, uid, umdJson });
  return { ...outcome, events: subscriptionEvents(told?.event, subscribed, row, list) };
}

/** A connection has left; with its last connection goes the user. */
export function applyLeave({ operation }: SequencedOf<'leave'>, state: ChannelState): Outcome {
  const { channel, connectionId } = operation;
  const row = state.presence.get({ channel, connectionId });
  if (row === undefined) return NOTHING;
  const list = state.membersOf(channel);
  const member = list.get(row.uid);
  const isGone = list.leave(row);
  state.presence.drop({ channel, connectionId });

  const told = isGone ? tell('memberRemoved', channel, member, list) : undefined;
  const unsubscribed = subscriptionEvent('unsubscribed', channel, row);
  const events = subscriptionEvents(told?.event, unsubscribed, row, list);
  if (told === undefined) return { events };
  return { record: { channel, notice: { kind: 'presence' }, frame: told.frame }, events };
}

/** New metadata of a member, set through one of its connections (§7); equal metadata is none. */
export function applyUmd({ operation }: SequencedOf<'umd'>, state: ChannelState, rules: ChannelRules): Outcome {
  const { channel, connectionId, umdJson } = operation;
  const row = state.presence.get({ channel, connectionId });
  const list = state.membersOf(channel);
  const member = row === undefined ? undefined : list.get(row.uid);
  if (member === undefined) {
    const message = `channel: this connection is not subscribed to ${channel}`;
    return { refusal: { code: 'NOT_SUBSCRIBED', message } };
  }
  if (sameJson(member.umdJson, umdJson)) return NOTHING;
  const refusal = capacityRefusal(channel, list, memberBytes(member.uid, umdJson) - member.bytes, rules);
  if (refusal !== undefined) return { refusal };
  updateUmd(channel, member, umdJson, list, state);
  const { frame, event } = tell('memberUpdated', channel, list.get(member.uid), list);
  return { record: { channel, notice: { kind: 'presence' }, frame }, events: [event] };
}

function capacityRefusal(
  channel: string,
  list: MemberList,
  moreBytes: number,
  { presenceMaxBytes }: ChannelRules,
): Outcome['refusal'] {
  if (list.bytes + moreBytes <= presenceMaxBytes) return undefined;
  const message = `channel: the members of ${channel} would take more than ${presenceMaxBytes} bytes`;
  return { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED', message };
}

/** All rows of a user say the same. */
function updateUmd(channel: string, member: Member, umdJson: string, list: MemberList, state: ChannelState): void {
  list.update(member, umdJson);
  for (const connectionId of member.connectionIds) {
    const row = state.presence.get({ channel, connectionId });
    if (row !== undefined) state.presence.put({ ...row, umdJson });
  }
}

function entered(
  { channel, connectionId, attempt = 0 }: OperationOf<'join'>,
  list: MemberList,
  frame: Buffer,
  isHiddenFromIt = false,
): Outcome {
  const joined = { connectionId, attempt, members: Buffer.from(list.json, 'utf8') };
  const record = { channel, notice: { kind: 'presence', joined }, frame } as const;
  return { record: isHiddenFromIt ? { ...record, exceptConnectionId: connectionId } : record };
}

/** The change of a member, for the subscribers and for backends, with the list after it. */
function tell(
  event: MemberEvent,
  channel: string,
  member: Member | undefined,
  list: MemberList,
): { frame: Buffer; event: OutcomeEvent } {
  if (member === undefined) throw new Error(`no member to tell of: ${channel}`);
  const frame = Buffer.from(memberFrame(event, channel, member.json, list.json), 'utf8');
  // Flat, unlike the frame (pubsub-events §3.4).
  const dataJson = `${member.json.slice(0, -1)},"members":${list.json}}`;
  return { frame, event: { name: event, channel, metadata: {}, dataJson } };
}

/** In the order of channels-presence-storage §2. */
function subscriptionEvents(
  member: OutcomeEvent | undefined,
  subscription: OutcomeEvent,
  { channel, counted }: PresenceRow,
  list: MemberList,
): OutcomeEvent[] {
  const events = member === undefined ? [subscription] : [member, subscription];
  if (counted) events.push(channelUpdated(channel, list.subscriptionsCount));
  return events;
}
