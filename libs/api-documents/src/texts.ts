import {
  MAX_CHANNEL_CHARACTERS,
  MAX_DEDUPLICATION_ID_CHARACTERS,
  MAX_EVENT_CHARACTERS,
  MAX_STORAGE_KEY_CHARACTERS,
  MAX_UID_CHARACTERS,
} from '@hearth/protocol';
import { z } from 'zod';

/* eslint-disable no-control-regex -- control characters are what names must not have */

/**
 * Names, ids and instants as JSON Schema says them; limits are those of `@hearth/protocol`. Lengths are characters
 * (Unicode code points), which is what JSON Schema counts and zod does not: these schemas are for writing down, and
 * values are judged by what is written (`test/docs/schemas.spec.ts`).
 */

export const channelName = z
  .string()
  .min(1)
  .max(MAX_CHANNEL_CHARACTERS)
  .regex(/^(?!\.{1,2}$)[^*#,\s\u0000-\u001f\u007f\p{Cs}]+$/u)
  .meta({ id: 'ChannelName', examples: ['room.1', 'presence.lobby'] });

/** Not one of the names that the service gives a meaning. */
export const eventName = z
  .string()
  .min(1)
  .max(MAX_EVENT_CHARACTERS)
  .regex(/^(?!#|hotsock\.)[^*\u0000\p{Cs}]+$/u)
  .meta({ id: 'EventName', examples: ['chat'] });

export const storageKey = z
  .string()
  .min(1)
  .max(MAX_STORAGE_KEY_CHARACTERS)
  .regex(/^[^*#,\s\u0000-\u001f\u007f\p{Cs}]+$/u)
  .meta({ id: 'StorageKey', examples: ['status'] });

/** Of a user that is named: tokens may have an empty one, which is none. */
export const uid = z
  .string()
  .min(1)
  .max(MAX_UID_CHARACTERS)
  .regex(/^[^\u0000\p{Cs}]+$/u);

/** The empty text is none. */
export const deduplicationId = z
  .string()
  .max(MAX_DEDUPLICATION_ID_CHARACTERS)
  .regex(/^[^\u0000\p{Cs}]*$/u)
  .meta({ id: 'DeduplicationId' });

/** As the service writes it; requests may have lower case. */
export const ulid = z
  .string()
  .regex(/^[0-9A-HJKMNP-TV-Z]{26}$/)
  .meta({ id: 'Ulid', examples: ['01J9ZK3V7Q8W2X5Y6ABCDEFGHJ'] });

export const messageId = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$/);

/** At most 100 bytes of UTF-8, which a schema cannot say. */
export const reaction = z
  .string()
  .max(100)
  .regex(/^[^#\u0000-\u001f\u007f\p{Cs}]*[^#\u0000-\u001f\u007f\p{Cs}\s][^#\u0000-\u001f\u007f\p{Cs}]*$/u);

export const scheduleExpression = z
  .string()
  .regex(/^at\(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\)$/)
  .meta({ id: 'ScheduleExpression', examples: ['at(2030-01-31T09:00:00)'] });

export const scheduleArn = z.string().regex(/^arn:aws:scheduler:[^:]+:\d{12}:schedule\/[^/]+\/[0-9A-Z]{26}$/);

/** RFC 3339 in UTC. */
export const instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
  .meta({ id: 'Instant', examples: ['2026-01-01T00:00:00.400Z'] });

/** Any JSON. */
export const json = z.unknown();
export const nullableText = z.string().nullable();
export const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** An optional member, for which `null` is the same as none. */
export const optional = <Type extends z.ZodType>(type: Type) => type.nullable().optional();

/** Who wrote or sent something. */
export const author = z.object({ uid: nullableText, umd: json }).meta({ id: 'Author' });
export const member = z.object({ uid: z.string(), umd: json }).meta({ id: 'Member' });

/** Members of what may happen later. */
export const schedule = {
  scheduleExpression: optional(scheduleExpression),
  /** IANA name; UTC when not given. */
  scheduleExpressionTimezone: optional(z.string()),
};
