import { backendEventType } from '@hearth/wire';
import { z } from 'zod';
import { author, instant, json, member, nullableText, count, ulid } from './texts';

/** Backend events, as the events stream and webhooks bring them (pubsub-events §1–§3). */

const versions = { hotsockVersion: z.string(), hearthVersion: z.string().optional() };
const ofChannel = { ...versions, channel: z.string() };
const origin = {
  ...ofChannel,
  trigger: z.enum(['client.websocket', 'client.http', 'server.lambda', 'server.http']),
  connectionId: z.string().optional(),
  sourceIp: z.string().optional(),
  userAgent: z.string().optional(),
};

function event(names: readonly string[], dataType: string, metadata: z.ZodRawShape, data: z.ZodRawShape) {
  return z.object({
    source: z.literal('hotsock.v1'),
    type: z.enum(names.map(backendEventType)),
    metadata: z.object(metadata),
    data: z.object(data),
    dataType: z.literal(dataType),
  });
}

/** By `dataType`. */
export const BACKEND_EVENTS = {
  connection: event(
    ['connected', 'disconnected', 'connectionUpdated'],
    'connection',
    { ...versions, reason: z.literal('gateway-died').optional() },
    {
      id: z.string(),
      connectedAt: instant,
      disconnectedAt: instant.nullable(),
      keepAlive: z.boolean(),
      sourceIp: nullableText,
      uid: nullableText,
      umd: json,
      userAgent: nullableText,
    },
  ),
  subscription: event(['subscribed', 'unsubscribed'], 'subscription', ofChannel, {
    channel: z.string(),
    connectionId: z.string(),
    uid: nullableText,
    umd: json,
  }),
  channel: event(['channelUpdated'], 'channel', ofChannel, { name: z.string(), subscriptionsCount: count }),
  channelMember: event(['memberAdded', 'memberUpdated', 'memberRemoved'], 'channelMember', ofChannel, {
    uid: z.string(),
    umd: json,
    members: z.array(member),
  }),
  message: event(
    ['messagePublished'],
    'message',
    { ...origin, event: z.string(), requestId: z.string() },
    { channel: z.string(), event: z.string(), id: ulid, data: json, meta: author.optional() },
  ),
  channelStorage: event(
    ['channelStorageUpdated'],
    'channelStorage',
    { ...origin, key: z.string() },
    {
      channel: z.string(),
      key: z.string(),
      data: json,
      dataPrevious: json,
      expired: z.boolean(),
      expiresAt: instant.nullable(),
      meta: author,
    },
  ),
  messageReaction: event(
    ['messageReactionAdded', 'messageReactionRemoved'],
    'messageReaction',
    { ...origin, reaction: z.string(), requestId: z.string() },
    {
      channel: z.string(),
      messageId: ulid,
      id: ulid,
      reaction: z.string(),
      uid: nullableText,
      umd: json,
      createdAt: instant,
      expiresAt: instant.nullable(),
    },
  ),
  /** Who did what that others should know of (management-api §7). */
  audit: event(['audit'], 'audit', versions, {
    action: z.string(),
    outcome: z.string(),
    actor: z.string(),
    sourceIp: nullableText,
    target: z.record(z.string(), json).nullable(),
    reason: nullableText,
    result: z.record(z.string(), json).nullable(),
    count,
    at: instant,
  }),
} as const;

/** Any of them with `HEARTH_EVENTS_FORMAT=cloudevents`: CloudEvents 1.0, structured (pubsub-events §4.5). */
export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: ulid,
  source: z.literal('hotsock.v1'),
  type: z.string(),
  subject: z.string().optional().meta({ description: 'The channel.' }),
  time: instant,
  datacontenttype: z.literal('application/json'),
  datatype: z.string(),
  hotsockversion: z.string(),
  hearthversion: z.string(),
  event: z.string().optional(),
  trigger: z.string().optional(),
  requestid: z.string().optional(),
  connectionid: z.string().optional(),
  sourceip: z.string().optional(),
  useragent: z.string().optional(),
  key: z.string().optional(),
  reaction: z.string().optional(),
  reason: z.literal('gateway-died').optional(),
  data: z.record(z.string(), json),
});
