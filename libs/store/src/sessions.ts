import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type { ClientBase, Pool, PoolClient, QueryResult } from 'pg';
import { failAsOutage, isOutage, isReadOnly, isSessionLost } from './outage';
import { preparedName } from './prepared';

/** Refuses a session of a server that answers but takes nothing: a standby, or one that is fenced off. */
export async function refuseUnlessWritable(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ readOnly: boolean }>(
    `select pg_is_in_recovery() or current_setting('transaction_read_only')::bool as "readOnly"`,
  );
  if (rows[0]?.readOnly !== false) throw new Error('the server only reads');
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
      const client = await this.pool.connect().catch(failAsOutage);
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
    const name = preparedName(text);
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
