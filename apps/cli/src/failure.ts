import { CommanderError } from 'commander';

/** Exit codes of every command; documented in docs/cli.md. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/** The command line or the settings are wrong. The message names the flag or variable, and never holds a secret. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An installation said no, or could not be reached. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/** Why a fetch failed: it says only "fetch failed", and what happened is in its cause, which may have a code and no message. */
export function reasonOf(error: unknown): string {
  const { cause = error } = error as { readonly cause?: unknown };
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  return typeof code === 'string' ? code : String(message);
}

/**
 * Says on stderr what went wrong, in one line.
 *
 * @returns the exit code
 */
export function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has said it. Its own codes are 0 for help and 1 for every mistake.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  process.stderr.write(`error: ${(error as Error).message}\n`);
  return error instanceof UsageError ? EXIT.usage : EXIT.refused;
}
