import { accessSync, constants, statSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { isOrigin } from './origins';

/**
 * How the text of one environment variable becomes a value. `schema` takes the trimmed, never empty text; `allowed`
 * completes the sentence "HEARTH_X must be …" and is the same text in error messages and documentation.
 */
export interface Kind<T> {
  readonly schema: z.ZodType<T, string>;
  readonly allowed: string;
}

/** Any text. */
export function text(allowed = 'any text'): Kind<string> {
  return { schema: z.string(), allowed };
}

/** Text of a fixed shape. */
export function pattern(shape: RegExp, allowed: string): Kind<string> {
  return { schema: z.string().regex(shape), allowed };
}

/** What a listener binds to: a name, or an address of either kind, without a port. */
export function hostName(): Kind<string> {
  return pattern(/^([\w.-]+|[\dA-Fa-f.]*:[\dA-Fa-f.]*:[\w.:%-]*)$/, 'a host name or address');
}

/** Comma-separated texts; blanks around and empty members are dropped. */
export function list(allowed = 'a comma-separated list'): Kind<readonly string[]> {
  return { schema: z.string().transform(split), allowed };
}

/** Comma-separated texts that each pass `accepts`. An empty default is an empty list; a set value has members. */
export function listOf(accepts: (member: string) => boolean, allowed: string): Kind<readonly string[]> {
  const isValid = (members: readonly string[]) => members.length > 0 && members.every(accepts);
  return {
    schema: z
      .string()
      .refine((value) => value === '' || isValid(split(value)))
      .transform(split),
    allowed,
  };
}

/** Whole number within `min..max`, both inclusive. */
export function integer(min: number, max: number): Kind<number> {
  return {
    schema: z
      .string()
      .regex(/^[+-]?\d{1,15}$/)
      .transform(Number)
      .refine((value) => value >= min && value <= max),
    allowed: `a whole number from ${min} to ${max}`,
  };
}

/** Decimal number within `min..max`, both inclusive. */
export function decimal(min: number, max: number): Kind<number> {
  return {
    schema: z
      .string()
      .regex(/^\d{1,9}(\.\d{1,9})?$/)
      .transform(Number)
      .refine((value) => value >= min && value <= max),
    allowed: `a number from ${min} to ${max}`,
  };
}

const SWITCH: Readonly<Record<string, boolean>> = { true: true, enabled: true, false: false, disabled: false };

/** Boolean: `true`, `false`, `enabled` or `disabled`, in any case. */
export function flag(): Kind<boolean> {
  return {
    schema: z
      .string()
      .transform((value) => SWITCH[value.toLowerCase()])
      .pipe(z.boolean()),
    allowed: 'true, false, enabled or disabled',
  };
}

/** One of some words; upper and lower case are the same. */
export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  return {
    schema: z.string().transform((value, context) => {
      const word = words.find((known) => known.toLowerCase() === value.toLowerCase());
      if (word !== undefined) return word;
      context.addIssue('unknown word');
      return z.NEVER;
    }),
    allowed: words.join(', '),
  };
}

/** Absolute URL with one of the given schemes (`['http', 'https']`). */
export function url(...schemes: readonly string[]): Kind<string> {
  return {
    schema: z.string().refine((value) => hasScheme(value, schemes)),
    allowed: `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  };
}

/** Path of a directory, which need not exist yet. */
export function directory(): Kind<string> {
  return { schema: z.string().refine(canBeDirectory), allowed: 'the path of a directory' };
}

/** Path of a regular file this process can read. */
export function readableFile(): Kind<string> {
  return { schema: z.string().refine(isReadable), allowed: 'the path of a readable file' };
}

/** Comma-separated CIDR ranges; a single address counts as a range of one. */
export function cidrList(): Kind<readonly string[]> {
  return listOf(isCidr, 'a comma-separated list of CIDR ranges such as 10.0.0.0/8 or fd00::/8');
}

/** Secrets by access key id; `off`: there is no such door. */
export type AccessKeys = ReadonlyMap<string, string> | 'off';

/** Comma-separated pairs of an access key id and its secret, or the word `off`. No id may have two secrets. */
export function accessKeys(): Kind<AccessKeys> {
  return {
    schema: z.string().transform((value, context) => {
      if (value.toLowerCase() === 'off') return 'off';
      const pairs = split(value).map((pair) => /^([\w-]{1,128}):([^:\s]+)$/.exec(pair));
      const keys = new Map(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
      if (!pairs.includes(null) && keys.size === pairs.length && (keys.size > 0 || value === '')) return keys;
      context.addIssue('not pairs');
      return z.NEVER;
    }),
    allowed: 'AKID:SECRET pairs, comma-separated, or off',
  };
}

/** Comma-separated secrets of Standard Webhooks: `whsec_` and the Base64 of 24 to 64 bytes. */
export function webhookSecrets(): Kind<readonly string[]> {
  return listOf((secret) => {
    const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
    if (encoded === undefined) return false;
    const bytes = Buffer.from(encoded, 'base64');
    // Decoding drops what does not fit: such a text would mean another secret to the receiver.
    return bytes.toString('base64') === encoded && bytes.length >= 24 && bytes.length <= 64;
  }, 'a comma-separated list of whsec_ and the Base64 of 24 to 64 bytes');
}

/** Comma-separated keys: Base64 of 32 bytes or more, decoded. */
export function keyList(): Kind<readonly Buffer[]> {
  const { schema, allowed } = listOf((key) => {
    const bytes = Buffer.from(key, 'base64');
    return bytes.toString('base64') === key && bytes.length >= 32;
  }, 'a comma-separated list of the Base64 of 32 bytes or more');
  return { schema: schema.transform((keys) => keys.map((key) => Buffer.from(key, 'base64'))), allowed };
}

/** Origins, see `isOrigin`. */
export function originList(): Kind<readonly string[]> {
  return listOf(
    isOrigin,
    'a comma-separated list of origins such as https://example.com, https://*.example.com or capacitor://localhost, or * for all',
  );
}

/** The address ranges as one matcher. Input has passed `cidrList`. */
export function blockList(ranges: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const range of ranges) {
    const [text = '', length] = range.split('/');
    const [family, bits] = isIP(text) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const);
    const prefix = length === undefined ? bits : Number(length);
    const address = ipaddr.parse(text);
    // Addresses are compared in this form: a socket that listens on IPv6 shows IPv4 peers in the other.
    if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && prefix >= 96)
      blocks.addSubnet(address.toIPv4Address().toString(), prefix - 96, 'ipv4');
    else blocks.addSubnet(text, prefix, family);
  }
  return blocks;
}

/**
 * Whether `value` is an absolute URL with one of the schemes and a host. A Postgres URL may go without the host: a
 * server on a local socket is addressed as `postgres:///name?host=/run/postgresql`.
 */
export function hasScheme(value: string, schemes: readonly string[]): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, host } = new URL(value);
  return schemes.includes(protocol.slice(0, -1)) && (host !== '' || protocol.startsWith('postgres'));
}

/** Whether a text is the URL of a NATS server, with or without its scheme. Such a URL takes anything for a host. */
export function isNatsServer(text: string): boolean {
  const url = text.includes('://') ? text : `nats://${text}`;
  return hasScheme(url, ['nats', 'tls']) && /^([\w.-]+|\[[\dA-Fa-f:.]+\])$/.test(new URL(url).hostname);
}

function split(value: string): readonly string[] {
  return value
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}

/** Whether a text is an IP address, or a range of them with its length. */
export function isCidr(range: string): boolean {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(range);
  const family = match?.[1] === undefined ? 0 : isIP(match[1]);
  if (match === null || family === 0) return false;
  return match[2] === undefined || Number(match[2]) <= (family === 6 ? 128 : 32);
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function canBeDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    // A part of the path is a file. Anything else shows when the directory is made.
    return (error as NodeJS.ErrnoException).code !== 'ENOTDIR';
  }
}
