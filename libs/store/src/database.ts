import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool, types } from 'pg';
import type { Db } from './db';
import { type Patience, ReadTurns } from './read-turns';
import { prepareSession, Sessions } from './sessions';
import { CONNECT_TIMEOUT_MS } from './single-connection';
import type { Tables } from './tables';

export interface DatabaseOptions {
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Most connections but for leases; 10 by default. */
  readonly max?: number;
  /** Told what went wrong on a connection nobody was waiting for, one line without secrets. */
  readonly log?: (line: string) => void;
}

/** Connections: owns their lifecycle. Made by `openDatabase`. */
export class Database {
  readonly db: Db;
  /**
   * For the leases of this process, on connections that nothing else waits for: were all others waiting for a table, it
   * would be taken for dead.
   */
  readonly leases: Db;
  /** Of clients, for what `readFor` reads. */
  readonly readTurns: ReadTurns;
  /** Under way, the newest last. */
  private readonly pings: { readonly sinceMs: number; readonly answer: Promise<void> }[] = [];
  private closing: Promise<void> | undefined;

  constructor(private readonly pools: { readonly db: Pool; readonly leases: Pool }) {
    this.readTurns = new ReadTurns(Math.max(1, Math.floor(pools.db.options.max / READS_SHARE)));
    this.db = queriesOn(pools.db);
    this.leases = queriesOn(pools.leases);
  }

  /**
   * Reads for a client what may be large: a third of the connections do that at once at most, so that what everybody waits for
   * has the others, and clients have turns (`ReadTurns`).
   *
   * @param client whose turn it is
   * @param patience by default for 15 s
   * @throws TimeoutError when that does not come in time
   * @throws UnwantedError
   */
  readFor<T>(client: string, read: (db: Db) => Promise<T>, patience: Patience = {}): Promise<T> {
    return this.readTurns.take(client, () => read(this.db), { patienceMs: READ_PATIENCE_MS, ...patience });
  }

  /**
   * Rejects unless the server writes, because one that only reads answers as well, and one that waits for a standby does
   * everything but commit. The update writes nothing but is refused where nothing can be written; the message in the
   * write-ahead log, of 50 bytes, is what the commit waits for. Many who ask share an answer that is on its way: they must not
   * hold the connections that others need.
   */
  ping(): Promise<void> {
    const { pings } = this;
    const newest = pings.at(-1);
    const sinceMs = performance.now();
    if (newest !== undefined && (pings.length >= MOST_PINGS || sinceMs - newest.sinceMs < LOST_AFTER_MS))
      return newest.answer;
    const ping = { sinceMs, answer: this.write().finally(() => pings.splice(pings.indexOf(ping), 1)) };
    pings.push(ping);
    return ping.answer;
  }

  private async write(): Promise<void> {
    await sql`
      with writable as (update schema_migration set version = version where false)
      select pg_logical_emit_message(true, 'hearth', '')`.execute(this.db);
  }

  /** Version of the server, as it tells it: `15.18`. */
  async serverVersion(): Promise<string> {
    const { rows } = await sql<{ server_version: string }>`show server_version`.execute(this.db);
    return rows[0]?.server_version ?? 'unknown';
  }

  /** Ends all connections, after those in use are done. */
  close(): Promise<void> {
    return (this.closing ??= Promise.all([this.pools.db.end(), this.pools.leases.end()]).then(() => undefined));
  }
}

function queriesOn(pool: Pool): Db {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new Sessions(pool) }) });
}

/** One of so many connections reads for clients: what they read keeps the process and the server busy, few of them at once do it as well. */
const READS_SHARE = 3;
/** By then nobody waits for the answer any more. */
const READ_PATIENCE_MS = 15_000;

/** At once. */
const MOST_PINGS = 2;
/** The connection of a ping that is not answered by then may be lost: the next one takes another. */
const LOST_AFTER_MS = 2_000;

const LIMITS = {
  /** Longer than any query of ours takes on a healthy server, shorter than a caller's patience. */
  statement_timeout: 15_000,
  /** A process that stopped inside a transaction must not keep its rows locked for others. */
  idle_in_transaction_session_timeout: 5_000,
};
/**
 * When the server is cut off, nothing ever answers: the client gives up by itself, after the server's own limit had
 * its chance to give a better reason.
 */
const ANSWER_TIMEOUT_MS = 20_000;

/** One is enough, but for those whose connection was lost without a word, which takes a while to be noticed. */
const MOST_FOR_LEASES = 4;

/** Opens nothing yet: the first query connects, so a server that is down fails queries, not this call. */
export function openDatabase(url: string, options: DatabaseOptions): Database {
  return new Database({ db: openPool(url, options), leases: openPool(url, { ...options, max: MOST_FOR_LEASES }) });
}

function openPool(url: string, options: DatabaseOptions): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser },
    verify: (client, done) => void prepareSession(client, LIMITS).then(() => done(), done),
  });
  surviveLostConnections(pool, options.log ?? (() => undefined));
  return pool;
}

/**
 * A connection that breaks emits 'error', and an 'error' nobody listens to ends the process: when the database
 * restarts, that would be every process at once. The pool passes on those of idle connections only, so each connection
 * gets a listener for its whole life. The pool itself discards the connection; the next query opens a new one.
 */
function surviveLostConnections(pool: Pool, log: (line: string) => void): void {
  pool.on('error', () => undefined);
  pool.on('connect', (client) =>
    client.on('error', (error: Error) => {
      // The server may end before what was said to it last has arrived.
      if (!pool.ending) log(`database connection lost: ${error.message}`);
    }),
  );
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
