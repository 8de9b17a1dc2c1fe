import { ERROR_STATUS } from '@hearth/protocol';
import { z } from 'zod';
import { storageData } from './client-schemas';
import { limitMembers } from './error-schemas';
import {
  author,
  channelName,
  eventName,
  instant,
  json,
  member,
  messageId,
  nullableText,
  optional,
  reaction,
  schedule,
  scheduleArn,
  storageKey,
  ulid,
} from './texts';

/** Frames of the WebSocket and of Socket.IO (websocket-protocol §3, §4; resume §1, §4; client-library §6, §7). */

const channel = z.string();
const empty = z.object({});
const ref = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const aliased = z.object({ channelAlias: z.string().optional(), uid: nullableText, umd: json });
const resumePoint = z.looseObject({ after: optional(messageId), token: optional(z.string()) });
const memberChange = (event: 'memberAdded' | 'memberUpdated' | 'memberRemoved') =>
  z.object({
    event: z.literal(`hotsock.${event}`),
    channel,
    data: z.object({ member, members: z.array(member) }),
  });
const reactionChange = (event: 'messageReactionAdded' | 'messageReactionRemoved', action: 'add' | 'remove') =>
  z.object({
    id: ulid,
    event: z.literal(`hotsock.${event}`),
    channel,
    data: z.object({ messageId: ulid, reaction: z.string(), action: z.literal(action) }),
    meta: author,
  });

/** Codes of `hotsock.error`: the table's, and why a Socket.IO connection is ended (management-api §6). */
const frameErrorCode = z.enum([...Object.keys(ERROR_STATUS), 'DISCONNECTED', 'TOKEN_REVOKED', 'TOKEN_EXPIRED']);

/** What a server sends, by `event`; what has another name is a message. */
export const SERVER_FRAMES = {
  connected: z.object({
    event: z.literal('hotsock.connected'),
    data: z.object({ connectionId: z.string(), connectionExpiresAt: instant, connectionSecret: z.string() }),
    meta: author,
  }),
  subscribed: z.object({
    event: z.literal('hotsock.subscribed'),
    channel,
    data: z.object({
      autoSubscribed: z.literal(true).optional(),
      resume: z.object({ complete: z.boolean().optional(), token: z.string().optional() }).optional(),
      storage: z.literal(true).optional(),
      members: z.array(member).optional(),
    }),
    meta: aliased,
  }),
  unsubscribed: z.object({ event: z.literal('hotsock.unsubscribed'), channel, data: empty, meta: aliased.optional() }),
  memberAdded: memberChange('memberAdded'),
  memberUpdated: memberChange('memberUpdated'),
  memberRemoved: memberChange('memberRemoved'),
  channelStorageUpdated: z.object({
    event: z.literal('hotsock.channelStorageUpdated'),
    channel,
    key: z.string(),
    data: json,
    meta: author,
  }),
  channelStorageData: storageData,
  channelStorageSynced: z.object({ event: z.literal('hotsock.channelStorageSynced'), channel, data: empty }),
  messageReactionAdded: reactionChange('messageReactionAdded', 'add'),
  messageReactionRemoved: reactionChange('messageReactionRemoved', 'remove'),
  published: z.object({
    event: z.literal('hotsock.published'),
    channel,
    ref,
    data: z.object({
      id: ulid.nullable(),
      position: z.string().optional(),
      scheduleArn: scheduleArn.optional(),
      duplicate: z.literal(true).optional(),
    }),
  }),
  messagesMissed: z.object({
    event: z.literal('hotsock.messagesMissed'),
    channel,
    data: z.object({ after: ulid.nullable(), before: ulid.nullable() }),
  }),
  keepAlive: z.object({ event: z.literal('hotsock.keepAlive'), data: empty }),
  pong: z.object({ event: z.literal('hotsock.pong'), data: z.literal('{}') }),
  error: z.object({
    event: z.literal('hotsock.error'),
    channel: channel.optional(),
    ref: z.string().optional(),
    error: z.looseObject({ code: frameErrorCode, message: z.string().min(1), ...limitMembers }),
  }),
  message: z.object({
    id: ulid,
    event: z.string().regex(/^(?!hotsock\.)/),
    channel,
    data: json,
    meta: author.optional(),
  }),
} as const;

/** What a client may send, by `event`; members that are not known are ignored. `channel` may be an alias. */
export const CLIENT_FRAMES = {
  subscribe: z.looseObject({
    event: z.literal('hotsock.subscribe'),
    channel: channelName,
    data: optional(
      z.looseObject({
        token: optional(z.string()),
        after: optional(messageId),
        resume: optional(z.union([z.boolean(), resumePoint])),
        storage: json.optional(),
      }),
    ),
  }),
  unsubscribe: z.looseObject({ event: z.literal('hotsock.unsubscribe'), channel: channelName }),
  clientMessage: z.looseObject({
    event: eventName,
    channel: channelName,
    data: json.optional(),
    ref: optional(ref),
    ...schedule,
  }),
  storageSet: z.looseObject({
    event: z.literal('hotsock.channelStorageSet'),
    channel: channelName,
    key: storageKey,
    data: json.optional(),
    ref: optional(ref),
    ...schedule,
  }),
  storageGet: z.looseObject({
    event: z.literal('hotsock.channelStorageGet'),
    channel: channelName,
    key: storageKey,
  }),
  messageReaction: z.looseObject({
    event: z.literal('hotsock.messageReaction'),
    channel: channelName,
    data: z.looseObject({ messageId, reaction, action: z.enum(['add', 'remove']) }),
    ref: optional(ref),
  }),
  umdUpdate: z.looseObject({
    event: z.literal('hotsock.umdUpdate'),
    channel: optional(channelName),
    data: z.looseObject({ token: z.string() }),
  }),
  heartbeat: z.looseObject({ event: z.literal('hotsock.heartbeat'), channel: optional(z.string()) }),
  ping: z.looseObject({ event: z.literal('hotsock.ping'), channel: optional(z.string()) }),
  clientPong: z.looseObject({ event: z.literal('hotsock.pong'), channel: optional(z.string()) }),
} as const;
