import type { ClientBase } from 'pg';

interface Column {
  readonly name: string;
  /** As Postgres spells it. */
  readonly type: string;
  readonly isNullable: boolean;
  readonly hasDefault: boolean;
}

/** What `libs/store/src/database.ts` makes of each type. */
const TYPES: Readonly<Record<string, string>> = {
  text: 'string',
  uuid: 'string',
  integer: 'number',
  bigint: 'number',
  boolean: 'boolean',
  bytea: 'Buffer',
  'timestamp with time zone': 'Date',
};

/**
 * The tables of the schema `public` as the TypeScript interface that Kysely checks queries against, a line each.
 *
 * @throws Error on a type of column it does not know
 */
export async function describeTables(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ table: string; columns: readonly Column[] }>(
    `select c.relname as table,
            json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                                       'isNullable', not a.attnotnull, 'hasDefault', a.atthasdef)
                     order by a.attnum) as columns
       from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
      group by c.relname order by c.relname collate "C"`,
  );
  const tables = rows.map(({ table, columns }) => {
    const members = columns.map((column) => `${column.name}: ${typeOf(column)}`);
    return `  ${table}: { ${members.join('; ')} };\n`;
  });
  return `import type { Generated } from 'kysely';\n\nexport interface Tables {\n${tables.join('')}}\n`;
}

function typeOf({ name, type, isNullable, hasDefault }: Column): string {
  const known = TYPES[type];
  if (known === undefined) throw new Error(`db/describe-tables.ts does not know the type ${type} of ${name} yet`);
  const read = isNullable ? `${known} | null` : known;
  return hasDefault ? `Generated<${read}>` : read;
}
