import type { RevocationTarget } from '@hearth/wire';
import { DENIAL_COLUMNS, denialDigest, denialOf, type DenialRow, IN_FORCE, type StoredDenial } from './denials-table';
import { prepared } from './prepared';
import type { Db } from './db';

/** Revocations among the denials, for whoever lists them and takes them back (management-api §4). */

const REVOCATION = `kind like 'revoked%' and ${IN_FORCE}`;

const page = prepared<DenialRow>(
  'list_revocations',
  `select ${DENIAL_COLUMNS} from denial where ${REVOCATION} and id > $1 order by id limit $2::int4`,
);
const ofTarget = prepared<DenialRow>(
  'revocation_of_target',
  `select ${DENIAL_COLUMNS} from denial where ${REVOCATION} and target_digest = $1`,
);
const one = prepared<DenialRow>(
  'find_revocation',
  `select ${DENIAL_COLUMNS} from denial where ${REVOCATION} and id = $1`,
);
// The gateways hear of it as of one that has ended.
const end = prepared<DenialRow>(
  'end_revocation',
  `with next as (update denial_version set version = version + 1
                  where exists (select from denial where ${REVOCATION} and id = $1) returning version)
   update denial set ends_at = now(), version = next.version from next
    where ${REVOCATION} and id = $1 returning ${returned()}`,
);
const endWithToken = prepared<DenialRow>(
  'end_revocation_with_token',
  `with next as (update denial_version set version = version + 1
                  where exists (select from denial where ${REVOCATION} and ends_at is not null and target_digest = $1
                                   and not (ends_with_token and ends_at >= to_timestamp($2::float8 / 1000)))
                 returning version)
   update denial set ends_at = to_timestamp($2::float8 / 1000), ends_with_token = true, version = next.version from next
    where ${REVOCATION} and ends_at is not null and target_digest = $1 returning ${returned()}`,
);
const full = prepared<{ isFull: boolean }>(
  'revocations_are_full',
  `select count(*) >= $1 as "isFull"
     from (select from denial where kind like 'revoked%' limit $1::int4) as one`,
);

/** Beside a table that has a column of the same name, too. */
function returned(): string {
  return DENIAL_COLUMNS.replace(' version,', ' denial.version,');
}

/** Those in force, in the order of their ids, behind one. */
export async function listRevocations(db: Db, after: string, limit: number): Promise<StoredDenial[]> {
  return (await page(db, [after, limit])).map(denialOf);
}

/** The one in force that is about a target. */
export async function revocationOf(db: Db, target: RevocationTarget): Promise<StoredDenial | undefined> {
  return (await ofTarget(db, [denialDigest(target)])).map(denialOf)[0];
}

/** The one in force with an id. */
export async function findRevocation(db: Db, id: string): Promise<StoredDenial | undefined> {
  return (await one(db, [id])).map(denialOf)[0];
}

/**
 * Takes a revocation back.
 *
 * @returns as it is now, for the gateways; `undefined` without one in force
 */
export async function endRevocation(db: Db, id: string): Promise<StoredDenial | undefined> {
  return (await end(db, [id])).map(denialOf)[0];
}

/**
 * Lets the revocation of a `jti` end when its token does, now that one has been seen; of several the last. One that is kept
 * until it is taken back stays.
 *
 * @param tokenEndMs when the token expires, ms since 1970
 * @returns as it is then; `undefined` where nothing has changed
 */
export async function endRevocationWithToken(
  db: Db,
  jti: string,
  tokenEndMs: number,
): Promise<StoredDenial | undefined> {
  const digest = denialDigest({ kind: 'revokedToken', names: [jti] });
  return (await endWithToken(db, [digest, tokenEndMs])).map(denialOf)[0];
}

/** Whether there are as many as there may be; those that ended within the last hour count. */
export async function hasRevocations(db: Db, most: number): Promise<boolean> {
  return (await full(db, [most]))[0]?.isFull === true;
}
