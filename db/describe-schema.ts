import type { ClientBase } from 'pg';

interface Table {
  readonly oid: number;
  readonly name: string;
  readonly options: readonly string[] | null;
}

/**
 * The schema `public` as SQL text, read from the catalog: tables with their columns, constraints and storage options,
 * indexes, functions, all in the order of their names. The same schema gives the same text on Postgres 15 and newer,
 * which no version of `pg_dump` promises, and Node is all it needs.
 *
 * @throws Error on a kind of object it does not know, rather than leaving it out
 */
export async function describeSchema(client: ClientBase): Promise<string> {
  await refuseUnknownObjects(client);
  const { rows: tables } = await client.query<Table>(
    `select c.oid, c.relname as name,
            array(select unnest(c.reloptions)
                  union all select 'toast.' || unnest(t.reloptions)) as options
       from pg_class c left join pg_class t on t.oid = c.reltoastrelid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname collate "C"`,
  );
  const parts: string[] = [];
  for (const table of tables) parts.push(await describeTable(client, table), ...(await indexesOf(client, table)));
  return [...parts, ...(await functions(client))].join('\n\n') + '\n';
}

async function describeTable(client: ClientBase, table: Table): Promise<string> {
  const columns = await texts(
    client,
    `select quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
            || case when a.attcollation not in (0, t.typcollation) then ' collate ' || quote_ident(c.collname) else '' end
            || case when a.attnotnull then ' not null' else '' end
            || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as text
       from pg_attribute a
       join pg_type t on t.oid = a.atttypid
       left join pg_collation c on c.oid = a.attcollation
       left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [table.oid],
  );
  // Postgres 18 lists "not null" as constraints too (contype n); the columns say it already.
  const constraints = await texts(
    client,
    `select 'constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid) as text
       from pg_constraint where conrelid = $1 and contype <> 'n' order by conname collate "C"`,
    [table.oid],
  );
  const lines = [...columns, ...constraints].map((line) => `  ${line}`).join(',\n');
  const options = (table.options ?? []).map((option) => `  ${option}`).join(',\n');
  return `create table ${table.name} (\n${lines}\n)${options === '' ? '' : ` with (\n${options}\n)`};`;
}

/** Those that do not belong to a constraint. */
function indexesOf(client: ClientBase, table: Table): Promise<string[]> {
  return texts(
    client,
    `select pg_get_indexdef(i.indexrelid) || ';' as text
       from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = $1 and not exists (select from pg_constraint where conindid = i.indexrelid)
      order by c.relname collate "C"`,
    [table.oid],
  );
}

function functions(client: ClientBase): Promise<string[]> {
  return texts(
    client,
    `select rtrim(pg_get_functiondef(oid), E'\\n') || ';' as text from pg_proc
      where pronamespace = 'public'::regnamespace and prokind in ('f', 'p') order by oid::regprocedure::text collate "C"`,
  );
}

/** Whoever adds the first view, trigger, sequence, type… teaches this file to describe it. */
async function refuseUnknownObjects(client: ClientBase): Promise<void> {
  const unknown = await texts(
    client,
    `select relname || ' (relkind ' || relkind::text || ')' as text from pg_class
      where relnamespace = 'public'::regnamespace and relkind not in ('r', 'i')
     union all select tgname || ' (trigger)' from pg_trigger where not tgisinternal
     union all select typname || ' (type)' from pg_type
      where typnamespace = 'public'::regnamespace and typtype in ('e', 'd', 'r')
     union all select attname || ' (identity or generated column)' from pg_attribute
      where (attidentity <> '' or attgenerated <> '')
        and attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`,
  );
  if (unknown.length > 0) throw new Error(`db/describe-schema.ts cannot describe ${unknown.join(', ')} yet`);
}

async function texts(client: ClientBase, query: string, parameters: readonly unknown[] = []): Promise<string[]> {
  return (await client.query<{ text: string }>(query, [...parameters])).rows.map((row) => row.text);
}
