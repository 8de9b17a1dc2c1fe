import type { IncomingMessage } from 'node:http';

/** Real ones stay far below; without a bound, 64 KiB of header would travel with every message. */
const MAX_CHARACTERS = 1_024;

/** The client's `User-Agent`, cut at 1,024 characters; `undefined` when it sent none. */
export function userAgentOf({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  return headers['user-agent']?.slice(0, MAX_CHARACTERS);
}
