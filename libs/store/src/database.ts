import { Kysely, PostgresDialect, type PostgresPoolClient, type PostgresQueryResult } from 'kysely';
import { DatabaseError, Pool, types, type PoolClient, type QueryResult } from 'pg';
import { OutageError } from '@hearth/protocol';
import type { Db } from './db';
import { preparedName } from './prepared';
import { CONNECT_TIMEOUT_MS } from './single-connection';
import type { Tables } from './tables';

export interface DatabaseOptions {
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Most connections; 10 by default. */
  readonly max?: number;
  /** Told what went wrong on a connection nobody was waiting for, one line without secrets. */
  readonly log?: (line: string) => void;
}

/** A pool of connections: owns their lifecycle, `db` runs the queries. Made by `openDatabase`. */
export class Database {
  readonly db: Db;
  private closing: Promise<void> | undefined;

  constructor(private readonly pool: Pool) {
    this.db = new Kysely<Tables>({
      dialect: new PostgresDialect({
        pool: {
          connect: async () => new CheckedOutClient(await pool.connect().catch(failAsOutage)),
          end: () => pool.end(),
        },
      }),
    });
  }

  /** Rejects unless the server answers a query. */
  async ping(): Promise<void> {
    await this.pool.query('select 1');
  }

  /** Ends all connections, after those in use are done. */
  close(): Promise<void> {
    return (this.closing ??= this.pool.end());
  }
}

/** Postgres cannot be reached, or cannot work at the moment. The message is for the log: it may name the server. */
class DatabaseUnavailableError extends OutageError {
  override readonly name = 'DatabaseUnavailableError';

  override get advice(): string {
    return 'the database does not answer at the moment, try again';
  }
}

/** Longer than any query of ours takes on a healthy server, shorter than a caller's patience. */
const STATEMENT_TIMEOUT_MS = 15_000;
/**
 * When the server is cut off, nothing ever answers: the client gives up by itself, after the server's own limit had
 * its chance to give a better reason.
 */
const ANSWER_TIMEOUT_MS = 20_000;
/** A process that stopped inside a transaction must not keep its rows locked for others. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;

/** Opens nothing yet: the first query connects, so a server that is down fails queries, not this call. */
export function openDatabase(url: string, options: DatabaseOptions): Database {
  const pool = new Pool({
    connectionString: url,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
  });
  surviveLostConnections(pool, options.log ?? (() => undefined));
  return new Database(pool);
}

/**
 * A connection that breaks emits 'error', and an 'error' nobody listens to ends the process: when the database
 * restarts, that would be every process at once. The pool passes on those of idle connections only, so each connection
 * gets a listener for its whole life. The pool itself discards the connection; the next query opens a new one.
 */
function surviveLostConnections(pool: Pool, log: (line: string) => void): void {
  pool.on('error', () => undefined);
  pool.on('connect', (client) =>
    client.on('error', (error: Error) => log(`database connection lost: ${error.message}`)),
  );
}

/** What Kysely needs of a pg client, plus prepared statements and two ways out of silent failure. */
class CheckedOutClient implements PostgresPoolClient {
  private unusable = false;

  constructor(private readonly client: PoolClient) {}

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
    const name = preparedName(text);
    try {
      return await this.client.query({ text, values: [...parameters], ...(name === undefined ? {} : { name }) });
    } catch (error) {
      // Without a refusal by the server nobody knows what the connection is doing.
      if (!isServerError(error)) this.unusable = true;
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

/** Whether the server itself refused: the connection is in a known state then, unless 57P says that it ends. */
function isServerError(error: unknown): boolean {
  return error instanceof DatabaseError && error.code?.startsWith('57P') === false;
}

/**
 * Whether the same statement may succeed later: SQLSTATE classes 08 (connection), 40 (conflict with another
 * transaction), 53 (too many clients, disk full), 57 (shutting down, starting, the statement took too long), and 25006
 * (a server that only reads, after a fail-over). So may one that the server did not answer at all.
 */
function isOutage(error: unknown): error is Error {
  if (error instanceof DatabaseError) return /^(08|25006|40|53|57)/.test(error.code ?? '');
  return error instanceof Error && !(error instanceof RangeError);
}

function failAsOutage(cause: Error): never {
  throw new DatabaseUnavailableError(cause.message, { cause });
}

const INT8_OID: number = types.builtins.INT8;

/** `int8` as a number: all of ours are sequences and milliseconds, far below 2^53; one that is not must not be rounded. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  return oid === INT8_OID ? parseInt8 : types.getTypeParser(oid, format);
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 value out of range: ${text}`);
  return value;
}
