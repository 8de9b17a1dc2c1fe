import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { openDataDir } from './data-dir';
import { readPrivateJson, writePrivateJson } from './private-file';

/** The secrets of an installation that was given none (configuration §1: generated at first start, shown once). */
export interface InstallationKeys {
  /** Whether this call made them: only then are they shown. */
  readonly created: boolean;
  readonly httpApiKey1: string;
  readonly httpApiKey2: string;
  readonly signingKey: { readonly method: 'HS256'; readonly encoded: string; readonly secret: Buffer };
  /** `AKID:SECRET`, the form of `HEARTH_AWS_ACCESS_KEYS`. */
  readonly awsAccessKeys: string;
  readonly file: string;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const alphanumeric = `${letters}${letters.toLowerCase()}0123456789`;
// AWS writes the number of an access key in base 32.
const base32 = `${letters}234567`;

const stored = z.object({
  httpApiKey1: z.string().regex(/^[A-Za-z0-9]{40}$/),
  httpApiKey2: z.string().regex(/^[A-Za-z0-9]{40}$/),
  signingKey: z.object({ method: z.literal('HS256'), encoded: z.base64().min(43) }),
  awsAccessKeys: z.string().regex(/^[A-Z0-9]{20}:[A-Za-z0-9]{40}$/),
});

/**
 * The keys kept in `keys.json` (mode 0600) of the data folder; made at the first call.
 *
 * @throws Error naming the file when it is damaged: silently making new keys would lock every client out
 */
export async function loadOrCreateKeys(dataDir: string): Promise<InstallationKeys> {
  const file = join(await openDataDir(dataDir), 'keys.json');
  const known = await readPrivateJson(file, (content) => stored.parse(content));
  const keys = known ?? generateKeys();
  if (known === undefined) await writePrivateJson(file, keys);
  const secret = Buffer.from(keys.signingKey.encoded, 'base64');
  return { ...keys, signingKey: { ...keys.signingKey, secret }, created: known === undefined, file };
}

function generateKeys(): z.infer<typeof stored> {
  return {
    httpApiKey1: newApiKey(),
    httpApiKey2: newApiKey(),
    // Text, 256 bits of it: not every library takes a secret of arbitrary bytes.
    signingKey: { method: 'HS256', encoded: Buffer.from(randomText(alphanumeric, 43)).toString('base64') },
    awsAccessKeys: newAccessKey(),
  };
}

/** A key for the server-side HTTP API (publish-api §2). */
export function newApiKey(): string {
  return randomText(alphanumeric, 40);
}

/** An access key for AWS SDKs, as `AKID:SECRET`. */
export function newAccessKey(): string {
  return `AKIA${randomText(base32, 16)}:${randomText(alphanumeric, 40)}`;
}

/** Text of `length` characters, each drawn from `alphabet` with equal chance. */
function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
