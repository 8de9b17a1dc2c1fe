import { createHash, createHmac } from 'node:crypto';
import { remember } from './remember';

/** The parts of an HTTP request that AWS Signature Version 4 signs. */
export interface SignableRequest {
  readonly method: string;
  /** As on the wire, percent-encoded once; begins with `/`. */
  readonly path: string;
  /** As on the wire, without `?`; empty when there is none. */
  readonly query: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, hex. */
  readonly payloadHash: string;
}

/** What a signature is valid for: `{date}/{region}/{service}/aws4_request`. */
export interface CredentialScope {
  /** `YYYYMMDD` */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * The text that is hashed and signed (publish-api §10.2).
 *
 * @param signedHeaders lower-case names, sorted
 */
export function canonicalRequest(request: SignableRequest, signedHeaders: readonly string[]): string {
  const headers = signedHeaders.map((name) => `${name}:${canonicalValue(request.headers[name] ?? '')}\n`);
  return [
    request.method,
    canonicalPath(request.path),
    canonicalQuery(request.query),
    headers.join(''),
    signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n');
}

/**
 * The signature of a canonical request, hex.
 *
 * @param amzDate `YYYYMMDDTHHMMSSZ`
 * @param key from `signingKey`, for the same scope
 */
export function signature(canonical: string, amzDate: string, scope: CredentialScope, key: Buffer): string {
  const toSign = [ALGORITHM, amzDate, scopeText(scope), sha256Hex(canonical)].join('\n');
  return createHmac('sha256', key).update(toSign).digest('hex');
}

/** The key of one day, region and service; worth keeping, for it costs four HMACs. */
export function signingKey(secretAccessKey: string, { date, region, service }: CredentialScope): Buffer {
  return [date, region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
}

export function scopeText({ date, region, service }: CredentialScope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/**
 * Every service but S3 signs the path encoded once more, segment by segment: `%3A` becomes `%253A`. Several slashes are
 * signed as one, however many a base URL with a `/` at its end has put on the wire.
 */
const canonicalPath = remember((path) => encode(path.replace(/\/{2,}/g, '/')).replaceAll('%2F', '/'));

/** By name, then by value: sorting `name=value` as one text would put `a-b=` before `a=`. */
function canonicalQuery(query: string): string {
  if (query === '') return '';
  const pairs = query.split('&').map((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? ([pair, ''] as const) : ([pair.slice(0, at), pair.slice(at + 1)] as const);
  });
  pairs.sort(([name, value], [otherName, otherValue]) => byBytes(name, otherName) || byBytes(value, otherValue));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function canonicalValue(value: string): string {
  const trimmed = value.trim();
  return /[^\S ]| {2}/.test(trimmed) ? trimmed.replace(/\s+/g, ' ') : trimmed;
}

/** `encodeURIComponent`, and the characters that it leaves but AWS does not. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
