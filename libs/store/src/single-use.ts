import { createHash } from 'node:crypto';
import { prepared } from './prepared';
import type { Db } from './db';

/**
 * How much longer than its token a used `jti` is remembered: a gateway whose clock is behind the database's still
 * takes the token for valid when the database has already forgotten it.
 */
const CLOCK_SKEW_SECONDS = 600;
/** 9999-12-31, near the end of what `timestamptz` holds; an `exp` may be any finite number. */
const LATEST_SECONDS = 253_402_214_400;

// A use with a later expiry must be remembered longer even when it is denied, or it would pass once the first is
// forgotten. `xmax = 0` is true for the row that this statement inserted.
const consume = prepared<{ readonly first: boolean }>(
  'consume_single_use',
  `insert into single_use_token as t (jti_digest, expires_at, used_by) values ($1, to_timestamp($2), $3::uuid)
   on conflict (jti_digest) do update set expires_at = greatest(t.expires_at, excluded.expires_at)
    where t.expires_at < excluded.expires_at or t.used_by = excluded.used_by
   returning (xmax = 0 or used_by is not distinct from $3::uuid) as first`,
);

/**
 * Uses up a `jti`, installation-wide (tokens-and-claims §2.1): true for exactly one caller, false for all others until
 * the token has expired. A caller that did not get the answer may ask again.
 *
 * @param expiresAtSeconds `exp` plus the configured leeway, Unix seconds, as given in the token
 * @param use a UUID, the same when it is asked again
 */
export async function consumeSingleUse(db: Db, jti: string, expiresAtSeconds: number, use: string): Promise<boolean> {
  const digest = createHash('sha256').update(jti).digest('base64url');
  const rows = await consume(db, [digest, Math.min(expiresAtSeconds + CLOCK_SKEW_SECONDS, LATEST_SECONDS), use]);
  return rows[0]?.first ?? false;
}
