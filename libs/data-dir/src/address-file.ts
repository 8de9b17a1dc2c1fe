import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readPrivateJson, writePrivateJson } from './private-file';

const FILE = 'address.json';

const stored = z.object({
  /** With trailing `/`. */
  httpApiUrl: z.url(),
  webSocketUrl: z.url(),
  /** As it was set: 0 is any. */
  adminPort: z.int(),
});

/** Where the all-in-one of a data folder answers, or answered last. */
export type KeptAddress = z.infer<typeof stored>;

/**
 * Writes down where the all-in-one of this data folder is, for commands that are run beside it. Without such a folder nothing is
 * written.
 *
 * @throws Error when the folder cannot be written
 */
export async function keepAddress(dataDir: string, address: KeptAddress): Promise<void> {
  if (existsSync(dataDir)) await writePrivateJson(join(dataDir, FILE), stored.parse(address));
}

/**
 * @returns `undefined` where none was started yet
 * @throws Error naming the file when it is damaged
 */
export function keptAddress(dataDir: string): Promise<KeptAddress | undefined> {
  return readPrivateJson(join(dataDir, FILE), (content) => stored.parse(content));
}
