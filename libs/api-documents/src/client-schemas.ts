import { MAX_STORAGE_KEYS } from '@hearth/protocol';
import { z } from 'zod';
import {
  channelName,
  count,
  eventName,
  json,
  author,
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

/** The client HTTP API (client-http-api §2–§8). `channel` may be an alias; members that are not known are ignored. */

export const listMessages = z
  .looseObject({
    channel: channelName,
    after: optional(messageId),
    before: optional(messageId),
    reverse: optional(z.boolean()),
    expandReactions: optional(z.boolean()),
  })
  .meta({ id: 'ListMessages' });

/** `umd` is absent for a user that has none. */
const reactor = z.object({ uid: nullableText, umd: json.optional() });
const messageReactions = z.record(z.string(), z.object({ count, items: z.array(reactor).optional() }));
export const storedMessage = z
  .object({
    id: ulid,
    event: z.string(),
    channel: z.string(),
    data: json,
    meta: author,
    reactions: messageReactions.optional(),
  })
  .meta({ id: 'StoredMessage' });
export const messages = z.object({ messages: z.array(storedMessage) }).meta({ id: 'Messages' });

export const publishMessage = z
  .union([
    z.looseObject({
      channel: channelName,
      event: eventName,
      data: json.optional(),
      eagerIdGeneration: optional(z.boolean()),
      ...schedule,
    }),
    z.looseObject({
      channel: channelName,
      event: z.literal('hotsock.messageReaction'),
      data: z.looseObject({ messageId, reaction, action: z.enum(['add', 'remove']) }),
      eagerIdGeneration: optional(z.boolean()),
      scheduleExpression: z.null().optional(),
    }),
  ])
  .meta({ id: 'PublishMessage' });
export const publishedMessage = z
  .object({ id: ulid.nullable(), event: z.string(), channel: z.string(), scheduleArn: scheduleArn.optional() })
  .meta({ id: 'PublishedMessage' });

export const listReactions = z.looseObject({ channel: channelName, messageId }).meta({ id: 'ListReactions' });
export const reactions = z
  .object({ reactions: z.array(z.object({ reaction: z.string(), uid: nullableText, umd: json.optional() })) })
  .meta({ id: 'Reactions' });

export const storageGet = z.looseObject({ channel: channelName, key: storageKey }).meta({ id: 'StorageGet' });
export const storageData = z
  .object({
    event: z.literal('hotsock.channelStorageData'),
    channel: z.string(),
    key: z.string(),
    data: json,
    meta: author.nullable(),
  })
  .meta({ id: 'StorageData' });

export const clientStorageSet = z
  .looseObject({ channel: channelName, key: storageKey, data: json.optional(), ...schedule })
  .meta({ id: 'ClientStorageSet' });
export const storageAccepted = z
  .object({
    channel: z.string(),
    event: z.literal('hotsock.channelStorageSet'),
    scheduleArn: scheduleArn.optional(),
  })
  .meta({ id: 'StorageAccepted' });

export const storageList = z
  .looseObject({
    channel: channelName,
    keys: optional(z.array(storageKey).max(MAX_STORAGE_KEYS)),
    after: optional(z.union([z.literal(''), storageKey])),
  })
  .meta({ id: 'StorageList' });

export const getChannelInfo = z.looseObject({ channel: channelName }).meta({ id: 'GetChannelInfo' });
export const clientChannelInfo = z
  .object({ channel: z.string(), subscriptionsCount: count, members: z.array(member).optional() })
  .meta({ id: 'ClientChannelInfo' });

export const umdUpdate = z.looseObject({ token: z.string(), channel: optional(channelName) }).meta({ id: 'UmdUpdate' });
export const umdUpdated = z.object({}).meta({ id: 'UmdUpdated' });
