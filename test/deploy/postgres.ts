import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, escapeLiteral } from 'pg';
import { TestPostgres } from '../support/postgres';
import { projectFolder, type ComposeService } from './compose-file';

/** A Postgres server with the roles of `deploy/postgres`. */
export interface PostgresFromCompose {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** One statement as superuser. */
  query(statement: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/**
 * Starts a Postgres server of its own, because roles belong to a whole server, and sets it up as the image does the first
 * time it starts. Without `20-pg-cron.sql`: this Postgres has no pg_cron.
 */
export async function startPostgresFromCompose(service: ComposeService): Promise<PostgresFromCompose> {
  const server = await TestPostgres.start();
  const client = new Client({ connectionString: server.url });
  await client.connect();
  await client.query(initScript('10-roles.sql', service.environment ?? {}));
  return {
    address: new URL(server.url).host,
    query: async (statement, values = []) => (await client.query<Record<string, unknown>>(statement, [...values])).rows,
    stop: async () => {
      await client.end();
      await server.stop();
    },
  };
}

/** The script with what psql would do to it: `\getenv name VARIABLE`, then `:'name'` as a literal. */
function initScript(name: string, environment: Readonly<Record<string, string>>): string {
  const script = readFileSync(join(projectFolder, 'deploy/postgres', name), 'utf8');
  const values = new Map(
    [...script.matchAll(/^\\getenv (\w+) (\w+)$/gm)].map(([, variable, from]) => [variable, environment[from ?? '']]),
  );
  return script
    .replace(/^\\getenv .*$/gm, '')
    .replace(/:'(\w+)'/g, (_, variable: string) => escapeLiteral(values.get(variable) ?? ''));
}
