import { prepared } from './prepared';
import type { Db } from './tables';

/** One message to keep (publish-api §5). Texts are stored byte for byte as given. */
export interface LogRow {
  readonly channel: string;
  /** ULID, 26 upper-case characters. */
  readonly id: string;
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
 * The insert of a batch, whose parameters `appendValues` begin at number `first`; nothing is inserted unless `condition`
 * holds.
 */
export function appendStatement(first: number, condition = 'true'): string {
  const types = ['text', 'text', 'text', 'text', 'text', 'text', 'text', 'text', 'text', 'uuid', 'int8'];
  return `
    insert into message_log (channel, id, event, data, meta, connection_id, source_ip, user_agent, trigger, request_id,
                             expires_at)
    select channel, id, event, data, meta, connection_id, source_ip, user_agent, trigger, request_id,
           case when store >= 0 then now() + store * interval '1 second' end
      from unnest(${types.map((type, index) => `$${first + index}::${type}[]`).join(', ')})
        as row (channel, id, event, data, meta, connection_id, source_ip, user_agent, trigger, request_id, store)
     where ${condition}
    on conflict (channel, id) do nothing`;
}

/** One array per column: the statement is the same, and stays planned, whatever the size of the batch. */
export function appendValues(rows: readonly LogRow[]): readonly unknown[] {
  return [
    rows.map((row) => row.channel),
    rows.map((row) => row.id),
    rows.map((row) => row.event),
    rows.map((row) => row.data),
    rows.map((row) => row.meta),
    rows.map((row) => row.connectionId),
    rows.map((row) => row.sourceIp),
    rows.map((row) => row.userAgent),
    rows.map((row) => row.trigger),
    rows.map((row) => row.requestId),
    rows.map((row) => row.store),
  ];
}

const append = prepared('append_messages', appendStatement(1));

/**
 * Appends a batch in one statement. A row that is already there (a repeat carries the same id) stays as it is, its
 * expiry too.
 */
export async function appendMessages(tx: Db, rows: readonly LogRow[]): Promise<void> {
  if (rows.length > 0) await append(tx, appendValues(rows));
}
