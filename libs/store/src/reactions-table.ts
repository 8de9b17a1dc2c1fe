import { sql } from 'kysely';
import { prepared } from './prepared';
import type { Db } from './db';

/** How reactions are shown beside their message (client-http-api §3.3): how many of each value, or by whom too. */
export type ReactionDetail = 'count' | 'items';

/**
 * Reactions of one message that are shown one by one, and values that are counted, at most: anybody who may react with
 * any value could make an answer as long as they like. Counts count all.
 */
const SHOWN = 1_000;

const ENTRY = `'{"uid":' || uid || case when umd = 'null' then '' else ',"umd":' || umd end || '}'`;

/** A table of one row with the member `reactions` of the message in the row `candidate`, as JSON text or null. */
export function reactionsOfCandidate(detail: ReactionDetail | undefined) {
  if (detail === undefined) return sql`select null::text as reactions`;
  const items = `',"items":[' || coalesce(string_agg(${ENTRY}, ',' order by id) filter (where number <= ${SHOWN}), '') || ']'`;
  return sql`
    select '{' || string_agg(member, ',' order by first_id) || '}' as reactions from (
      select min(id) as first_id,
             to_json(reaction)::text || ':{"count":' || count(*) || ${sql.raw(detail === 'items' ? items : `''`)} || '}' as member
        from (
          select *, row_number() over (order by id) as number
            from message_reaction where channel = candidate.channel and message_id = candidate.id
        ) as one
       group by reaction order by first_id limit ${SHOWN}
    ) as each_value`;
}

/** One user's reaction to a message. */
export interface ListedReaction {
  readonly reaction: string;
  /** JSON text. */
  readonly uidJson: string;
  /** JSON text as of adding. */
  readonly umdJson: string;
}

const reactionsOf = prepared<ListedReaction>(
  'reactions_of_message',
  `select reaction, uid as "uidJson", umd as "umdJson" from (
     select *, min(id) over (partition by reaction) as first_id
       from message_reaction where channel = $1::text and message_id = $2::text
   ) as one
   order by first_id, id limit ${SHOWN}`,
);

/**
 * The reactions to a message, grouped by value, in the order of adding, 1,000 at most (client-http-api §5). That the
 * message is there and may be seen is for `findMessage`.
 */
export function listReactions(db: Db, channel: string, messageId: string): Promise<ListedReaction[]> {
  return reactionsOf(db, [channel, messageId]);
}
