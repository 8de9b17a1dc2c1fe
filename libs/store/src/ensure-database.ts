import { DatabaseError } from 'pg';
import { withConnection } from './single-connection';

/** Who owns a database and may do nothing else on its server. */
export interface DatabaseOwner {
  readonly name: string;
  /** Letters and digits. */
  readonly password: string;
}

/**
 * Makes the database `name` on a server if there is none, and sees to it that it and all that is in it belong to `owner`,
 * whoever made it: a superuser, before this. Rejects while the server is not ready.
 *
 * @param urlOf where the superuser of the server finds a database by its name
 */
export async function ensureDatabase(
  urlOf: (database: string) => string,
  name: string,
  owner: DatabaseOwner,
): Promise<void> {
  await withConnection(urlOf('postgres'), 'hearth', async (client) => {
    const roles = await client.query('select from pg_roles where rolname = $1', [owner.name]);
    if (roles.rowCount === 0) await client.query(`create role ${owner.name}`);
    await client.query(
      `alter role ${owner.name} login nosuperuser nocreatedb nocreaterole noreplication password '${owner.password}'`,
    );
    const databases = await client.query('select from pg_database where datname = $1', [name]);
    if (databases.rowCount === 0) await client.query(`create database ${name}`);
    await client.query(`alter database ${name} owner to ${owner.name}`);
  });
  await withConnection(urlOf(name), 'hearth', (client) => client.query(handOver(owner.name)));
}

/** `reassign owned` does not work for the superuser that a server was made with. Indexes and serial sequences go with their tables. */
const handOver = (owner: string): string => `
  do $$
  declare command text;
  begin
    for command in
      select format('alter %s %s owner to ${owner}', kind, name) from (
        select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
               c.oid::regclass::text, c.relnamespace, c.relowner
          from pg_class c
         where c.relkind in ('r', 'p', 'S', 'v', 'm') and not exists (
           select from pg_depend d
            where d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind = 'S' and d.deptype in ('a', 'i'))
        union all
        select 'routine', p.oid::regprocedure::text, p.pronamespace, p.proowner from pg_proc p
        union all
        select 'type', t.oid::regtype::text, t.typnamespace, t.typowner from pg_type t where t.typtype in ('d', 'e')
      ) owned (kind, name, namespace, owner)
      where owner <> '${owner}'::regrole and namespace in (
        select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
    loop
      execute command;
    end loop;
  end $$`;

/** Whether a server refused the password. */
export function isWrongPassword(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '28P01';
}
