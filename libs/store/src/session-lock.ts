import { within } from '@hearth/timing';
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { isPooled, prepareSession } from './sessions';
import { CONNECT_TIMEOUT_MS } from './single-connection';

/** Whoever renews a lease does not wait longer for a server that does not answer. */
const ANSWER_MS = 1_000;
const NO_LIMITS = { statement_timeout: 0, idle_in_transaction_session_timeout: 0 };

/** SQL: the key of the advisory lock that the session of a name holds. */
export const sessionLockKey = (name: string): string => `hashtextextended('hearth session ' || ${name}, 0)`;

interface LockSession {
  readonly client: Client;
  readonly session: string;
}

/**
 * An advisory lock on a connection of its own, as a sign of life: however a process ends, its system closes the connection,
 * and Postgres frees the lock. Whoever finds it free knows that the session is over, and with it most likely the process. The
 * connection alone may have broken, so what follows from that must be fenced besides.
 */
export class SessionLock {
  private current: LockSession | undefined;
  private taking: Promise<LockSession | undefined> | undefined;
  /** When it was lost last (`performance.now()`). */
  private lostMs = -Infinity;
  private isPooled = false;
  private isReleased = false;

  constructor(
    private readonly url: string,
    private readonly applicationName: string,
    /** Called when the connection has ended that had the lock. */
    private readonly onLost: () => void,
  ) {}

  /** Whether it is taken, and no session that had it has ended within so long. */
  isTakenSince(ms: number): boolean {
    return this.current !== undefined && performance.now() - this.lostMs >= ms;
  }

  /** It cannot be had: a pooler is in between, whose sessions are not ours. */
  get isImpossible(): boolean {
    return this.isPooled;
  }

  /**
   * Sees to it that the lock is taken, in a new session if need be.
   *
   * @returns the name of the session that holds it; `undefined` when that could not be confirmed within a second
   */
  async confirm(): Promise<string | undefined> {
    const { current } = this;
    try {
      if (current === undefined) return (await within(ANSWER_MS, this.take()))?.session;
      await within(ANSWER_MS, current.client.query('select'));
      return current.session;
    } catch {
      // The server may have ended a session whose end has not come through to us.
      if (current !== undefined) this.drop(current);
      return undefined;
    }
  }

  /** Gives it up for good. */
  async release(): Promise<void> {
    this.isReleased = true;
    const current = this.current ?? (await this.taking?.catch(() => undefined));
    if (current !== undefined) this.drop(current);
  }

  private take(): Promise<LockSession | undefined> {
    this.taking ??= this.connect().finally(() => (this.taking = undefined));
    return this.taking;
  }

  private async connect(): Promise<LockSession | undefined> {
    if (this.isPooled || this.isReleased) return undefined;
    const client = new Client({
      connectionString: this.url,
      application_name: this.applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    const current = { client, session: randomUUID() };
    // What breaks also ends.
    client.on('error', () => undefined);
    client.on('end', () => this.drop(current));
    try {
      await client.connect();
      await prepareSession(client, NO_LIMITS);
      this.isPooled = isPooled(client);
      if (this.isPooled) throw new Error('a pooler is in between');
      await client.query(`select pg_advisory_lock(${sessionLockKey('$1::text')})`, [current.session]);
    } catch (error) {
      void client.end();
      if (this.isPooled) return undefined;
      throw error;
    }
    this.current = current;
    return current;
  }

  private drop(current: LockSession): void {
    void current.client.end();
    if (this.current !== current) return;
    this.current = undefined;
    this.lostMs = performance.now();
    if (!this.isReleased) this.onLost();
  }
}
