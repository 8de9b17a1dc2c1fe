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

interface Held {
  readonly client: Client;
  readonly session: string;
}

/**
 * An advisory lock on a connection of its own, as a sign of life: however a process ends, its system closes the connection,
 * and Postgres frees the lock. Whoever finds it free knows that the session is over, and with it most likely the process. The
 * connection alone may have broken, so what follows from that must be fenced besides.
 */
export class SessionLock {
  private held: Held | undefined;
  private taking: Promise<Held | undefined> | undefined;
  /** When it was lost last (`performance.now()`). */
  private lostMs = -Infinity;
  private isPooled = false;
  private isReleased = false;

  constructor(
    private readonly url: string,
    private readonly applicationName: string,
    /** Called when the connection has ended that held the lock. */
    private readonly onLost: () => void,
  ) {}

  /** Whether it is held, and no session that held it has ended within so long. */
  isHeldSince(ms: number): boolean {
    return this.held !== undefined && performance.now() - this.lostMs >= ms;
  }

  /** It cannot be had: a pooler is in between, whose sessions are not ours. */
  get isImpossible(): boolean {
    return this.isPooled;
  }

  /**
   * Sees to it that the lock is held, in a new session if need be.
   *
   * @returns the name of the session that holds it; `undefined` when that could not be confirmed within a second
   */
  async confirm(): Promise<string | undefined> {
    const { held } = this;
    try {
      if (held === undefined) return (await within(ANSWER_MS, this.take()))?.session;
      await within(ANSWER_MS, held.client.query('select'));
      return held.session;
    } catch {
      // The server may have ended a session whose end has not come through to us.
      if (held !== undefined) this.drop(held);
      return undefined;
    }
  }

  /** Gives it up for good. */
  async release(): Promise<void> {
    this.isReleased = true;
    const held = this.held ?? (await this.taking?.catch(() => undefined));
    if (held !== undefined) this.drop(held);
  }

  private take(): Promise<Held | undefined> {
    this.taking ??= this.connect().finally(() => (this.taking = undefined));
    return this.taking;
  }

  private async connect(): Promise<Held | undefined> {
    if (this.isPooled || this.isReleased) return undefined;
    const client = new Client({
      connectionString: this.url,
      application_name: this.applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    const held = { client, session: randomUUID() };
    // What breaks also ends.
    client.on('error', () => undefined);
    client.on('end', () => this.drop(held));
    try {
      await client.connect();
      await prepareSession(client, NO_LIMITS);
      this.isPooled = isPooled(client);
      if (this.isPooled) throw new Error('a pooler is in between');
      await client.query(`select pg_advisory_lock(${sessionLockKey('$1::text')})`, [held.session]);
    } catch (error) {
      void client.end();
      if (this.isPooled) return undefined;
      throw error;
    }
    this.held = held;
    return held;
  }

  private drop(held: Held): void {
    void held.client.end();
    if (this.held !== held) return;
    this.held = undefined;
    this.lostMs = performance.now();
    if (!this.isReleased) this.onLost();
  }
}
