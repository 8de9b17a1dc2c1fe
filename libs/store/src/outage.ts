import { OutageError } from '@hearth/protocol';
import { DatabaseError } from 'pg';
import { DatabaseRefusal } from './refusal';

/** Postgres cannot be reached, or cannot work at the moment. The message is for the log: it may name the server. */
class DatabaseUnavailableError extends OutageError {
  override readonly name = 'DatabaseUnavailableError';

  override get advice(): string {
    return 'the database does not answer at the moment, try again';
  }
}

export function failAsOutage(cause: Error): never {
  throw new DatabaseUnavailableError(cause.message, { cause });
}

/** SQLSTATE of a server that only reads, as one does after a fail-over to another. */
const READ_ONLY = '25006';

/**
 * SQLSTATEs after which a session is of no use, though some such still answer: 08 (connection), 25P03 and 25P04 (its
 * transaction took too long), 57P (the server shuts down or starts), 58 and XX (the server is broken), and prepared
 * statements that are not what we think: 26000 (gone), 42P05 (there already), 0A000 (their tables have changed).
 */
const SESSION_LOST = new RegExp(`^(${READ_ONLY}|08|25P0[34]|57P|58|XX|26000|42P05|0A000)`);

/** Whether the session that failed so must not be used again. Without a refusal nobody knows what it is doing. */
export function isSessionLost(error: unknown): boolean {
  return !(error instanceof DatabaseError) || SESSION_LOST.test(error.code ?? '');
}

export function isReadOnly(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === READ_ONLY;
}

/**
 * Whether the same statement may succeed later: in another session, or SQLSTATE classes 40 (conflict with another
 * transaction), 53 (too many clients, disk full), 57 (the statement took too long).
 */
export function isOutage(error: unknown): error is Error {
  if (error instanceof DatabaseError) return isSessionLost(error) || /^(40|53|57)/.test(error.code ?? '');
  return error instanceof Error && !MISTAKES.some((type) => error instanceof type);
}

/**
 * Whether Postgres refused what it was given, so that the same statement will always fail: SQLSTATE classes 21 (a row twice in one
 * statement), 22 (data), 23 and 44 (constraints), 54 (too large for an index), P0 (a trigger says so).
 */
export function isRefusedForData(error: unknown): boolean {
  return error instanceof DatabaseError && /^(21|22|23|44|54|P0)/.test(error.code ?? '');
}

/** What no waiting changes: our mistakes, a URL that is none, and a database that is unfit. */
const MISTAKES = [RangeError, TypeError, DatabaseRefusal];
