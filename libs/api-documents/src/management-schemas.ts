import { z } from 'zod';
import { storedMessage } from './client-schemas';
import { channelName, count, instant, json, nullableText, optional, scheduleArn, uid, ulid } from './texts';

/** The management API (management-api §2–§4). Its requests take no member that is not named. */

const next = z
  .string()
  .nullable()
  .meta({ description: 'What after is for the next page; null when this is the last.' });
const complete = z.boolean().meta({ description: 'Every gateway that may live took part.' });

const connectionMembers = {
  id: z.string(),
  uid: nullableText,
  umd: json,
  sourceIp: nullableText,
  userAgent: nullableText,
  transport: z.enum(['websocket', 'socket.io']),
  connectedAt: instant,
  expiresAt: instant,
  jti: nullableText,
  kid: nullableText,
  subscriptionsCount: count,
};
export const connection = z.object(connectionMembers).meta({ id: 'Connection' });
export const connections = z
  .object({ connections: z.array(connection), total: count, next, complete })
  .meta({ id: 'Connections' });

export const subscription = z
  .object({ channel: z.string(), uid: nullableText, umd: json, alias: nullableText, subscribedAt: instant })
  .meta({ id: 'Subscription' });
export const connectionDetails = z
  .object({ ...connectionMembers, subscriptions: z.array(subscription) })
  .meta({ id: 'ConnectionDetails' });

export const channelSummary = z
  .object({ name: z.string(), subscriptionsCount: count, connectionsCount: count, membersCount: count.optional() })
  .meta({ id: 'ChannelSummary' });
export const channels = z.object({ channels: z.array(channelSummary), next, complete }).meta({ id: 'Channels' });

const scheduleMembers = {
  id: ulid,
  scheduleArn,
  channel: z.string(),
  event: z.string(),
  at: instant,
  trigger: z.enum(['client.websocket', 'client.http', 'server.lambda', 'server.http']),
  uid: nullableText,
  key: nullableText,
};
export const schedule = z.object(scheduleMembers).meta({ id: 'Schedule' });
export const schedules = z.object({ schedules: z.array(schedule), next }).meta({ id: 'Schedules' });
export const scheduleDetails = z
  .object({ ...scheduleMembers, data: json, store: z.int() })
  .meta({ id: 'ScheduleDetails' });

export const channelMessages = z.object({ messages: z.array(storedMessage), next }).meta({ id: 'ChannelMessages' });

export const verdict = z
  .enum(['sent', 'notSubscribed', 'subscribedLater', 'own', 'catchingUp', 'notHere', 'endedBefore', 'noSuchMessage'])
  .meta({ id: 'Verdict' });
const traced = z.object({
  id: z.string(),
  uid: nullableText,
  connectedAt: instant,
  subscribedAt: instant.nullable(),
  maySubscribe: z.boolean().nullable(),
  verdict,
  waitingBytes: count,
  end: z.object({ at: instant, code: z.int().nullable(), reason: nullableText }).nullable(),
});
export const delivery = z
  .object({
    message: z.object({
      id: ulid,
      channel: z.string(),
      at: instant,
      event: nullableText,
      position: nullableText,
      isDelivered: z.boolean(),
      isStored: z.boolean(),
    }),
    connections: z.array(traced),
    isCut: z.boolean(),
    complete,
  })
  .meta({ id: 'Delivery' });

const deadLetterMembers = {
  id: ulid,
  target: z.string(),
  eventId: z.string(),
  type: z.string(),
  channel: nullableText,
  attempts: count,
  lastError: nullableText,
  waitingSince: instant,
  givenUpAt: instant,
  retryRequestedAt: instant.nullable(),
  bytes: count,
};
export const deadLetter = z.object(deadLetterMembers).meta({ id: 'DeadLetter' });
export const deadLetters = z.object({ deadLetters: z.array(deadLetter), next }).meta({ id: 'DeadLetters' });
export const deadLetterDetails = z
  .object({ ...deadLetterMembers, payload: z.string() })
  .meta({ id: 'DeadLetterDetails' });
export const retryDeadLetters = z
  .strictObject({ target: optional(z.string().min(1)) })
  .meta({ id: 'RetryDeadLetters' });
export const retryRequested = z.object({ requested: count }).meta({ id: 'RetryRequested' });

const name = z.string().min(1).max(1_024);
const reason = optional(z.string().regex(/^\P{Cs}*$/u)).meta({ description: 'At most 100 bytes of UTF-8.' });
const refuseFor = optional(z.int().min(0).max(86_400));
/** Exactly one of some members: each variant has one of them, and the others at most as `null`. */
function oneOf<const Name extends string>(selectors: Readonly<Record<Name, z.ZodType>>, more: z.ZodRawShape) {
  const names = Object.keys(selectors) as Name[];
  return names.map((selected) => {
    const others = names.filter((other) => other !== selected).map((other) => [other, z.null().optional()]);
    return z.strictObject({ [selected]: selectors[selected], ...Object.fromEntries(others), ...more });
  });
}

export const disconnect = z
  .union(
    oneOf(
      { uid, connectionId: name, channel: channelName, jti: name },
      { except: optional(z.array(z.string()).max(100)), reason, reconnect: optional(z.boolean()), refuseFor },
    ),
  )
  .meta({ id: 'Disconnect' });
export const disconnected = z
  .object({ disconnected: count, complete, refusedUntil: instant.nullable() })
  .meta({ id: 'Disconnected' });

export const unsubscribe = z
  .union(oneOf({ uid, connectionId: name }, { channel: channelName, reason, refuseFor }))
  .meta({ id: 'Unsubscribe' });
export const unsubscribed = z
  .object({ unsubscribed: count, complete, refusedUntil: instant.nullable() })
  .meta({ id: 'Unsubscribed' });

const keepFor = optional(z.union([z.literal(-1), z.int().min(1).max(3_155_760_000)]));
export const revoke = z
  .union([
    ...oneOf(
      { jti: name, kid: name },
      { uid: z.null().optional(), issuedBefore: z.null().optional(), reason, keepFor },
    ),
    z.strictObject({
      uid,
      jti: z.null().optional(),
      kid: z.null().optional(),
      issuedBefore: optional(z.union([z.number().min(0), z.string()])),
      reason,
      keepFor,
    }),
  ])
  .meta({ id: 'Revoke' });

const revocationMembers = {
  id: z.string(),
  jti: nullableText,
  uid: nullableText,
  issuedBefore: instant.nullable(),
  kid: nullableText,
  reason: nullableText,
  createdAt: instant,
  keptUntil: instant.nullable(),
};
export const revocation = z.object(revocationMembers).meta({ id: 'Revocation' });
export const revoked = z.object({ ...revocationMembers, disconnected: count, complete }).meta({ id: 'Revoked' });
export const revocations = z.object({ revocations: z.array(revocation), next }).meta({ id: 'Revocations' });
