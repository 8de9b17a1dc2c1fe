import { hash } from 'node:crypto';
import { installationNow } from '@hearth/timing';
import { type Denial, type DenialTarget, type Farewell, REVOKED } from '@hearth/wire';
import { ulid } from 'ulid';
import { prepared } from './prepared';
import type { Db } from './db';

/** Denials as they are kept (management-api §3, §4). All times are the database's. */

export type StoredDenial = Denial & {
  /** ULID. */
  readonly id: string;
  readonly version: number;
  /** Ms since 1970. */
  readonly createdMs: number;
  /** Ms since 1970; `null`: until it is taken back. */
  readonly endsMs: number | null;
  /** Of a revocation, for people. */
  readonly reason: string | null;
};

/** What is to be kept; what is denied already gets the later of both ends. */
export type NewDenial = DenialTarget & {
  /** Ms from now; `null`: until it is taken back. */
  readonly endsInMs: number | null;
  /** Of `revokedUser`: Unix ms. */
  readonly issuedBeforeMs?: number;
  readonly reason?: string;
  /** Of refusals. */
  readonly farewell?: Farewell;
};

/** As `DENIAL_COLUMNS` gives it. */
export interface DenialRow {
  readonly id: string;
  readonly kind: DenialTarget['kind'];
  readonly names: string;
  readonly version: number;
  readonly endsInMs: number | null;
  readonly endsMs: number | null;
  readonly sinceMs: number;
  readonly createdMs: number;
  readonly issuedBeforeMs: number | null;
  readonly endsWithToken: boolean;
  readonly reason: string | null;
  readonly farewell: string | null;
}

/** For how long one that has ended is kept, so that every gateway hears of it. */
const TOLD_FOR = "interval '1 hour'";
/** Rows that have ended and are deleted beside one that is made. */
const DELETED_AT_ONCE = 1_000;

const msOf = (interval: string): string => `floor(extract(epoch from ${interval}) * 1000)::int8`;
export const DENIAL_COLUMNS = `id, kind, names, version, ${msOf('ends_at - now()')} as "endsInMs", ${msOf('ends_at')} as "endsMs",
  ${msOf('since')} as "sinceMs", ${msOf('created_at')} as "createdMs", issued_before_ms as "issuedBeforeMs",
  ends_with_token as "endsWithToken", reason, farewell`;
export const IN_FORCE = '(ends_at is null or ends_at > now())';

const put = prepared<DenialRow>(
  'put_denials',
  `with next as (update denial_version set version = version + 1 returning version)
   insert into denial as d (id, kind, names, target_digest, version, ends_at, issued_before_ms, reason, farewell)
   select k.id, k.kind, k.names, decode(k.digest, 'base64'), next.version,
          now() + k."endsInMs" * interval '1 millisecond', k."issuedBeforeMs", k.reason, k.farewell
     from next, json_to_recordset($1::json) as k (id text, kind text, names text, digest text, "endsInMs" float8,
          "issuedBeforeMs" int8, reason text, farewell text)
   on conflict (target_digest) do update set
     id = case when d.ends_at <= now() then excluded.id else d.id end,
     created_at = case when d.ends_at <= now() then excluded.created_at else d.created_at end,
     issued_before_ms = case when d.ends_at <= now() then excluded.issued_before_ms
                             else greatest(d.issued_before_ms, excluded.issued_before_ms) end,
     ends_at = case when d.kind in ('connection', 'channel') then excluded.ends_at
                    when d.ends_at is null or excluded.ends_at is null then null
                    else greatest(d.ends_at, excluded.ends_at) end,
     ends_with_token = d.ends_with_token and d.ends_at > now(),
     reason = coalesce(excluded.reason, case when d.ends_at <= now() then null else d.reason end),
     since = excluded.since, version = excluded.version, farewell = excluded.farewell
   returning ${DENIAL_COLUMNS}`,
);
const forget = prepared(
  'forget_denials',
  `delete from denial where id = any (array(
     select id from denial where ends_at < now() - ${TOLD_FOR} order by ends_at limit ${DELETED_AT_ONCE}))`,
);
const current = prepared<{ version: number }>('denial_version', 'select version from denial_version');
const changed = prepared<DenialRow>(
  'changed_denials',
  `select ${DENIAL_COLUMNS} from denial where version > $1
    order by version fetch first 10000 rows with ties`,
);
/** What is in force, a page in one text: a million rows by themselves take a driver half a minute. */
const page = prepared<{ denials: readonly PageRow[] | null }>(
  'denials_in_force',
  `select json_agg(json_build_array(version, kind, names::json, ${msOf('ends_at - now()')}, ${msOf('since')},
          issued_before_ms, ends_with_token, farewell::json) order by version) as denials
     from (select * from denial where version > $1 and ${IN_FORCE}
            order by version fetch first 5000 rows with ties) as one`,
);

/** As `page` has it: version, kind, names, endsInMs, sinceMs, issuedBeforeMs, endsWithToken, farewell. */
type PageRow = readonly [
  number,
  DenialTarget['kind'],
  readonly string[],
  number | null,
  number,
  number | null,
  boolean,
  Farewell | null,
];

/**
 * Keeps denials, all of one version.
 *
 * @param denials no two of one target
 */
export async function putDenials(db: Db, denials: readonly NewDenial[]): Promise<StoredDenial[]> {
  return putNamed(
    db,
    denials.map((denial) => ({ ...denial, id: ulid(installationNow()) })),
  );
}

/** As `putDenials`, and says whether it was not denied before. */
export async function putDenial(
  db: Db,
  denial: NewDenial,
): Promise<{ readonly stored: StoredDenial; readonly isNew: boolean }> {
  const id = ulid(installationNow());
  const [stored] = await putNamed(db, [{ ...denial, id }]);
  if (stored === undefined) throw new Error('a denial was not kept');
  return { stored, isNew: stored.id === id };
}

async function putNamed(db: Db, denials: readonly (NewDenial & { readonly id: string })[]): Promise<StoredDenial[]> {
  const rows = denials.map(({ farewell, ...denial }) => ({
    ...denial,
    names: JSON.stringify(denial.names),
    digest: denialDigest(denial).toString('base64'),
    farewell: farewell && JSON.stringify(farewell),
  }));
  const stored = await put(db, [JSON.stringify(rows)]);
  await forget(db, []);
  return stored.map(denialOf);
}

/** Grows with every change. */
export async function denialVersion(db: Db): Promise<number> {
  return (await current(db, []))[0]?.version ?? 0;
}

/** Up to some 10,000 that changed after a version, also those that have ended, in the order of versions; all of a version at once. */
export async function changedDenials(db: Db, after: number): Promise<StoredDenial[]> {
  return (await changed(db, [after])).map(denialOf);
}

/** Some 5,000 that are in force, behind a version, in the order of versions; all of a version at once. */
export async function denialsInForce(db: Db, after: number): Promise<(Denial & { readonly version: number })[]> {
  const [row] = await page(db, [after]);
  return (row?.denials ?? []).map(
    ([version, kind, names, endsInMs, sinceMs, issuedBeforeMs, endsWithToken, farewell]) =>
      ({
        version,
        kind,
        names,
        endsInMs: left(endsInMs),
        sinceMs,
        issuedBefore: issuedBeforeMs === null ? undefined : issuedBeforeMs / 1_000,
        endsWithToken,
        farewell: farewell ?? REVOKED,
      }) as Denial & { readonly version: number },
  );
}

/** By which a denial is found. */
export function denialDigest({ kind, names }: DenialTarget): Buffer {
  return hash('sha256', JSON.stringify([kind, ...names]), 'buffer');
}

export function denialOf({ names, issuedBeforeMs, endsInMs, farewell, ...row }: DenialRow): StoredDenial {
  return {
    ...row,
    names: JSON.parse(names) as never,
    endsInMs: left(endsInMs),
    issuedBefore: issuedBeforeMs === null ? undefined : issuedBeforeMs / 1_000,
    farewell: farewell === null ? REVOKED : (JSON.parse(farewell) as Farewell),
  };
}

/** Ended a moment ago is ended, too. */
function left(endsInMs: number | null): number | null {
  return endsInMs === null || endsInMs > 0 ? endsInMs : -1;
}
