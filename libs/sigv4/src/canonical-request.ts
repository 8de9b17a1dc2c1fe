import { createHash, createHmac } from 'node:crypto';

/** The parts of an HTTP request that AWS Signature Version 4 signs. */
export interface SignableRequest {
  readonly method: string;
  /** As on the wire, percent-encoded once; begins with `/`. */
  readonly path: string;
  /** As on the wire, without `?`; empty when there is none. */
  readonly query: string;
  /** By lower-case name; a `Map` is one. */
  readonly headers: { get(name: string): string | undefined };
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
  let headers = '';
  for (const name of signedHeaders) headers += `${name}:${canonicalValue(request.headers.get(name) ?? '')}\n`;
  const { method, path, query, payloadHash } = request;
  return `${method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n${headers}\n${signedHeaders.join(';')}\n${payloadHash}`;
}

/**
 * The signature of a canonical request, hex.
 *
 * @param amzDate `YYYYMMDDTHHMMSSZ`
 * @param key the `signingKey` of the same scope
 */
export function signature(canonical: string, amzDate: string, scope: CredentialScope, key: Uint8Array): string {
  const text = `${ALGORITHM}\n${amzDate}\n${scopeText(scope)}\n${sha256Hex(canonical)}`;
  return createHmac('sha256', key).update(text).digest('hex');
}

/** The key of one day, region and service; worth keeping, for it costs four HMACs. */
export function signingKey(secretAccessKey: string, { date, region, service }: CredentialScope): Buffer {
  return [date, region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
}

/** SHA-256 of bytes, or of a text in UTF-8: how bodies and canonical requests are named in a signature. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export function scopeText({ date, region, service }: CredentialScope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

/**
 * Every service but S3 signs the path encoded once more, segment by segment: `%3A` becomes `%253A`. Several slashes are
 * signed as one, however many a base URL with a `/` at its end has put on the wire.
 */
function canonicalPath(path: string): string {
  return encode(path.replace(/\/{2,}/g, '/')).replaceAll('%2F', '/');
}

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
