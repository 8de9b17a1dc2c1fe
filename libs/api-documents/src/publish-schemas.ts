import { MAX_BATCH_DOCUMENTS, MAX_STORE_SECONDS } from '@hearth/protocol';
import { z } from 'zod';
import {
  channelName,
  count,
  deduplicationId,
  eventName,
  json,
  member,
  author,
  messageId,
  optional,
  reaction,
  schedule,
  scheduleArn,
  storageKey,
  ulid,
} from './texts';

/** The server-side publish and channels API (publish-api §3, §4, §11). */

const options = {
  channel: channelName,
  deduplicationId: optional(deduplicationId),
  eagerIdGeneration: optional(z.boolean()),
  emitPubSubEvent: optional(z.boolean()),
};

const seconds = z.int().min(-1).max(MAX_STORE_SECONDS);

export const message = z
  .looseObject({ ...options, event: eventName, data: json.optional(), store: optional(seconds), ...schedule })
  .meta({ id: 'Message', description: 'Of a name of your own. data: at most 32,768 bytes of compact JSON.' });

export const storageSet = z
  .looseObject({
    ...options,
    event: z.literal('hotsock.channelStorageSet'),
    key: storageKey,
    data: json.optional(),
    store: optional(z.union([z.literal(-1), z.int().min(1).max(MAX_STORE_SECONDS)])),
    ...schedule,
  })
  .meta({ id: 'StorageSet', description: 'Sets a storage entry; without data, or with null or {}, clears it.' });

export const serverReaction = z
  .looseObject({
    ...options,
    event: z.literal('hotsock.messageReaction'),
    data: z.looseObject({
      messageId,
      reaction,
      action: z.enum(['add', 'remove']),
      uid: optional(z.string()),
      umd: json.optional(),
    }),
    store: optional(seconds),
    scheduleExpression: z.null().optional(),
  })
  .meta({ id: 'ServerReaction', description: 'Adds or removes a reaction to a stored message.' });

export const messageDocument = z.union([message, storageSet, serverReaction]).meta({ id: 'MessageDocument' });
export const messageBatch = z.array(messageDocument).min(1).max(MAX_BATCH_DOCUMENTS).meta({ id: 'MessageBatch' });

export const accepted = z
  .object({
    id: ulid.optional().meta({ description: 'Only with eagerIdGeneration.' }),
    channel: z.string(),
    event: z.string(),
    scheduleArn: scheduleArn.optional(),
  })
  .meta({ id: 'Accepted' });
export const acceptedBatch = z.array(accepted).meta({ id: 'AcceptedBatch' });

export const channelInfo = z
  .object({ name: z.string(), subscriptionsCount: count, members: z.array(member).optional() })
  .meta({ id: 'ChannelInfo' });

export const storageEntry = z.object({ key: z.string(), data: json, meta: author }).meta({ id: 'StorageEntry' });
export const storageEntries = z.object({ items: z.array(storageEntry) }).meta({ id: 'StorageEntries' });
