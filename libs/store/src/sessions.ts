import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { ClientBase, Pool, PoolClient, QueryResult } from 'pg';
import { failAsOutage, isOutage, isReadOnly, isSessionLost } from './outage';
import { preparedName } from './prepared';
import { DatabaseRefusal } from './refusal';

/**
 * What a server, a database or a role may set otherwise, and what our statements or the reading of their answers depend
 * on. Not among them are `search_path`, with which an operator chooses the schema, and how durable a commit is.
 */
const SETTINGS = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  // Whoever has waited for a lock must see what its holder has committed.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  lock_timeout: '0',
  transaction_timeout: '0',
};

/** Those on which correctness depends; the others merely change how something is shown. */
const NEEDED = [
  'DateStyle',
  'bytea_output',
  'standard_conforming_strings',
  'array_nulls',
  'default_transaction_isolation',
];

/** Settings that a session is to have besides, in ms. */
export interface SessionLimits {
  readonly statement_timeout: number;
  readonly idle_in_transaction_session_timeout: number;
}

/**
 * Connections to a pooler such as PgBouncer: each transaction may run in another session of the server. So a statement
 * cannot be prepared for the next, and what is set stays with whoever comes later.
 */
const pooled = new WeakSet<ClientBase>();

/** Whether `client` is connected to a pooler and not to the server itself. */
export function isPooled(client: ClientBase): boolean {
  return pooled.has(client);
}

/**
 * Makes a new session what all our statements expect.
 *
 * @throws DatabaseRefusal when the database cannot hold every character: it would refuse messages; or when a pooler is in
 *   the way and the session is not what it has to be
 * @throws Error when the server answers but takes nothing: a standby, or one that is fenced off
 */
export async function prepareSession(client: ClientBase, limits: SessionLimits): Promise<void> {
  const { rows } = await client.query<{ readOnly: boolean; encoding: string; name: string; pid: number }>(
    `select pg_is_in_recovery() or current_setting('transaction_read_only')::bool as "readOnly",
            current_setting('server_encoding') as encoding, current_database() as name,
            pg_backend_pid() as pid`,
  );
  const [{ readOnly, encoding, name, pid } = { readOnly: true, encoding: '', name: '', pid: 0 }] = rows;
  if (encoding !== 'UTF8') {
    throw new DatabaseRefusal(
      `HEARTH_DATABASE_URL: the database ${name} has the encoding ${encoding}, in which not every message can be stored: ` +
        `use one that was created with encoding 'UTF8'`,
    );
  }
  if (readOnly) throw new Error('the server only reads');
  // A pooler tells every client a number of its own.
  if (pid !== (client as { processID?: number }).processID) {
    pooled.add(client);
    return refuseUnlessSet(client);
  }
  // One that this version of Postgres does not have is left out.
  await client.query(
    `select set_config(name, setting, false) from json_each_text($1) as s (name, setting)
      where current_setting(name, true) is not null`,
    [JSON.stringify({ ...SETTINGS, ...limits })],
  );
}

/** Through a pooler nothing can be set for a session, so the role or the database must have it. */
async function refuseUnlessSet(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string; expected: string; found: string }>(
    `select name, expected, current_setting(name, true) as found from json_each_text($1) as s (name, expected)
      where current_setting(name, true) <> expected and name = any ($2)`,
    [JSON.stringify(SETTINGS), NEEDED],
  );
  const [wrong] = rows;
  if (wrong === undefined) return;
  throw new DatabaseRefusal(
    `HEARTH_DATABASE_URL leads to a pooler, through which ${wrong.name} is ${wrong.found}, not ${wrong.expected}: ` +
      `say alter role … set ${wrong.name} to '${wrong.expected}'`,
  );
}

/**
 * The sessions that Kysely uses. When one turns out to be of a server that only reads, as after a fail-over, all from
 * before are thrown away, those as well that have not been asked to write since.
 */
export class Sessions implements PostgresPool {
  private generation = 0;
  private readonly generationOf = new WeakMap<PoolClient, number>();

  constructor(private readonly pool: Pool) {}

  async connect(): Promise<Session> {
    for (;;) {
      const client = await this.pool.connect().catch(failUnlessRefused);
      const generation = this.generationOf.get(client) ?? this.generation;
      this.generationOf.set(client, generation);
      if (generation === this.generation) return new Session(client, () => this.throwAway(generation));
      client.release(true);
    }
  }

  end(): Promise<void> {
    return this.pool.end();
  }

  private throwAway(generation: number): void {
    if (generation === this.generation) this.generation++;
  }
}

function failUnlessRefused(error: Error): never {
  if (error instanceof DatabaseRefusal) throw error;
  failAsOutage(error);
}

/** What Kysely needs of a pg client, plus prepared statements and two ways out of silent failure. */
class Session implements PostgresPoolClient {
  private unusable = false;

  constructor(
    private readonly client: PoolClient,
    private readonly onReadOnly: () => void,
  ) {}

  query<R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  /** Kysely's second form takes a cursor, which needs a package we do not have. */
  query(): never;
  async query<R>(text = '', parameters: readonly unknown[] = []): Promise<PostgresQueryResult<R>> {
    if (text === 'rollback') return this.rollback();
    const result = await this.send(text, parameters);
    // Postgres answers the commit of a transaction in which a statement failed with ROLLBACK, and no error.
    if (text === 'commit' && result.command !== 'COMMIT') throw new Error('the transaction was rolled back');
    return result as unknown as PostgresQueryResult<R>;
  }

  private async send(text: string, parameters: readonly unknown[]): Promise<QueryResult> {
    const name = isPooled(this.client) ? undefined : preparedName(text);
    try {
      return await this.client.query({ text, values: [...parameters], ...(name === undefined ? {} : { name }) });
    } catch (error) {
      if (isSessionLost(error)) this.unusable = true;
      if (isReadOnly(error)) this.onReadOnly();
      if (isOutage(error)) failAsOutage(error);
      throw error;
    }
  }

  /**
   * Cannot fail: a connection that does not do it is discarded, which rolls back as well. Kysely would report such a
   * failure in place of the one that made it roll back.
   */
  private async rollback<R>(): Promise<PostgresQueryResult<R>> {
    if (!this.unusable) await this.send('rollback', []).catch(() => (this.unusable = true));
    return { command: 'SELECT', rowCount: 0, rows: [] };
  }

  release(): void {
    this.client.release(this.unusable);
  }
}
