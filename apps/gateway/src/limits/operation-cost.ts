import { type ClientFrame, isPresenceChannel } from '@hearth/protocol';
import type { RateName } from '@hearth/limits';
import type { GatewayRequest } from '@hearth/stream';
import { realChannel, type Requester } from '../connection/permissions';

/** What operations are counted as (limits §2): one of each. */
type Cost = readonly RateName[];

const FRAME: Cost = ['frames'];
const PUBLISH: Cost = ['frames', 'publish'];
const SUBSCRIBE: Cost = ['frames', 'subscribe'];
const JOIN: Cost = ['frames', 'subscribe', 'presence'];
const RESUME: Cost = ['frames', 'subscribe', 'history'];
const RESUME_JOIN: Cost = ['frames', 'subscribe', 'presence', 'history'];
const PRESENCE: Cost = ['frames', 'presence'];
const STORAGE: Cost = ['frames', 'storage'];
const REACTION: Cost = ['frames', 'reaction'];
const HISTORY: Cost = ['frames', 'history'];

/** What a ping or pong of the protocol below costs. */
export const PING_COST = FRAME;

/** Nobody asks again for a subscription, so one that comes too soon waits (limits §3). */
export function mustBeDone(frame: ClientFrame | Error): boolean {
  return !(frame instanceof Error) && (frame.kind === 'subscribe' || frame.kind === 'unsubscribe');
}

/** @param frame what a client asks for, or why that cannot be told */
export function costOf(frame: ClientFrame | Error, requester: Requester): Cost {
  if (frame instanceof Error) return FRAME;
  switch (frame.kind) {
    case 'message':
      return PUBLISH;
    case 'subscribe': {
      const resumes = frame.after !== undefined || frame.resume !== undefined;
      if (concernsPresence(frame.channel, requester)) return resumes ? RESUME_JOIN : JOIN;
      return resumes ? RESUME : SUBSCRIBE;
    }
    case 'unsubscribe':
      return concernsPresence(frame.channel, requester) ? JOIN : SUBSCRIBE;
    case 'reaction':
      return REACTION;
    case 'umdUpdate':
      return PRESENCE;
    case 'storageSet':
    case 'storageGet':
      return STORAGE;
    case 'ping':
    case 'heartbeat':
    case 'pong':
      return FRAME;
  }
}

const COST_OF_CALLS: Readonly<Record<GatewayRequest['operation'], Cost>> = {
  publishMessage: PUBLISH,
  react: REACTION,
  listMessages: HISTORY,
  listReactions: HISTORY,
  getChannelInfo: PRESENCE,
  umdUpdate: PRESENCE,
  channelStorageSet: STORAGE,
  channelStorageGet: STORAGE,
  channelStorageList: STORAGE,
  // Part of a list that has been counted.
  readableStorageKeys: [],
};

/** Of a request by the client HTTP API. */
export function costOfCall(operation: GatewayRequest['operation']): Cost {
  return COST_OF_CALLS[operation];
}

/** @param name may be an alias */
function concernsPresence(name: string, requester: Requester): boolean {
  try {
    return isPresenceChannel(realChannel(name, requester));
  } catch {
    // It will be refused.
    return false;
  }
}
