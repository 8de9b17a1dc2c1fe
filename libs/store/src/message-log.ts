import { prepared } from './prepared';
import type { Db } from './db';

/** One message to keep (publish-api §5). Texts are stored byte for byte as given. */
export interface LogRow {
  readonly channel: string;
  /** ULID, 26 upper-case characters, whose order is the order of delivery; and the message's id, unless it has another. */
  readonly id: string;
  /** The message's id, when it was made before its place was known. */
  readonly eagerId?: string;
  readonly event: string;
  /** JSON text as published; never parsed on the way. */
  readonly data: string;
  /** JSON text of `{"uid","umd"}`, or `null` for a server message. */
  readonly meta: string | null;
  readonly connectionId: string | null;
  readonly sourceIp: string | null;
  readonly userAgent: string | null;
  readonly trigger: string;
  /** UUID. */
  readonly requestId: string;
  /** Retention in seconds from now, or -1 for ever; 0 is not for the log. */
  readonly store: number;
}

/**
 * The insert of a batch, whose parameter `appendValue` is number `first`; nothing is inserted unless `condition` holds.
 *
 * The batch is one JSON text, which Node writes natively and Postgres takes apart: an array per column (`unnest`) makes
 * the client escape every value in JavaScript, 10 µs a row on the thread that does everything else.
 */
export function appendStatement(first: number, condition = 'true'): string {
  return `
    insert into message_log (channel, id, event, data, meta, connection_id, source_ip, user_agent, trigger, request_id,
                             eager_id, expires_at)
    select channel, id, event, data, meta, "connectionId", "sourceIp", "userAgent", trigger, "requestId",
           "eagerId", case when store >= 0 then now() + store * interval '1 second' end
      from json_to_recordset($${first}::json) as row (channel text, id text, event text, data text, meta text,
             "connectionId" text, "sourceIp" text, "userAgent" text, trigger text, "requestId" uuid, "eagerId" text,
             store int8)
     where ${condition}
    on conflict do nothing`;
}

/** A text that Postgres reads back value for value: `data` is a string in it, so what it escapes stays escaped. */
export function appendValue(rows: readonly LogRow[]): string {
  return JSON.stringify(rows);
}

const append = prepared('append_messages', appendStatement(1));

/**
 * Appends a batch in one statement. A row that is already there (a repeat carries the same id) stays as it is, its
 * expiry too.
 */
export async function appendMessages(tx: Db, rows: readonly LogRow[]): Promise<void> {
  if (rows.length > 0) await append(tx, [appendValue(rows)]);
}
