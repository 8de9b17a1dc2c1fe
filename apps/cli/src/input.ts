import { readFileSync } from 'node:fs';
import { UsageError } from './failure';

/**
 * The text of a file, or of stdin for `-`.
 *
 * @param flag named when it cannot be read
 */
export function readInput(path: string, flag: string): string {
  try {
    return readFileSync(path === '-' ? process.stdin.fd : path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${flag}: ${path === '-' ? 'stdin' : path} cannot be read (${code ?? 'unknown error'})`);
  }
}

/** A secret given as it is, or as `@file`, which keeps it out of the shell's history and the list of processes. */
export function readSecret(value: string, flag: string): string {
  const secret = value.startsWith('@') ? readInput(value.slice(1), flag).trim() : value;
  if (secret === '') throw new UsageError(`${flag} must not be empty`);
  return secret;
}

/** @param example of what the flag takes, quoted for a shell */
export function parseJson(text: string, flag: string, example: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${flag} must be JSON, such as ${example}`);
  }
}

/** Reads a flag that is a whole number; for commander. Whether it is allowed is for the server to say. */
export function wholeNumber(flag: string): (text: string) => number {
  return (text) => {
    if (/^-?\d{1,15}$/.test(text)) return Number(text);
    throw new UsageError(`${flag} must be a whole number`);
  };
}

/** Collects a flag that may be given several times; for commander. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
