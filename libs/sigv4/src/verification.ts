/**
 * The server's side of AWS Signature Version 4 (publish-api §10.2), in two steps so that a stranger's body is never read:
 * `readSignedRequest` needs the head of a request only, `verifySignedRequest` the secret and the body.
 *
 * The signature covers method, path and query as they were on the wire, the named headers, and the body. What it does
 * not cover may not matter: `host` has to be signed, and so has every header in `mustSign` that was sent.
 */
import { timingSafeEqual } from 'node:crypto';
import { Authorization, parseAuthorization } from './authorization';
import { canonicalRequest, sha256Hex, signature } from './canonical-request';
import { ReceivedHeaders, receivedHeaders } from './received-headers';
import { SignatureError } from './signature-error';
import { SigningKeys } from './proven-keys';

/** The head of a request as it was received; Node's `IncomingMessage` has it. */
export interface ReceivedHead {
  readonly method?: string | undefined;
  /** Request target: path and query, untouched. */
  readonly url?: string | undefined;
  readonly rawHeaders: readonly string[];
}

export interface SignatureRules {
  /** The one service a signature may be meant for. */
  readonly service: string;
  /** How far `x-amz-date` may be from the clock here, either way. */
  readonly clockSkewSeconds: number;
  /** Lower-case names of headers that the receiver acts upon: sent without being signed they are refused. */
  readonly mustSign: readonly string[];
}

/** A request whose head is in order; only `verifySignedRequest` tells whether it is genuine. */
export interface SignedRequest extends Authorization {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReceivedHeaders;
  /** `YYYYMMDDTHHMMSSZ` */
  readonly amzDate: string;
  /** The same, in milliseconds since 1970. */
  readonly signedAtMs: number;
}

/**
 * Reads who signed a request, when and what for.
 *
 * @throws SignatureError `MissingAuthenticationTokenException`, `IncompleteSignatureException`, or, when a header that
 *   counts came twice, `InvalidSignatureException`
 */
export function readSignedRequest({ method = '', url = '', rawHeaders }: ReceivedHead): SignedRequest {
  const headers = receivedHeaders(rawHeaders);
  const authorization = headers.get('authorization');
  if (authorization === undefined || authorization.trim() === '') {
    throw new SignatureError(
      'MissingAuthenticationTokenException',
      'the request is not signed: it has no Authorization header',
    );
  }
  if (headers.repeated.has('authorization')) throw incomplete('there is more than one Authorization header');
  const { accessKeyId, scope, signedHeaders, signature: given } = parseAuthorization(authorization);
  refuseRepeated(headers, signedHeaders);
  const amzDate = headers.get('x-amz-date');
  if (amzDate === undefined) throw incomplete('the header x-amz-date is missing');
  const at = url.indexOf('?');
  // Member by member: a spread with more behind it costs more than all the rest of this function.
  return {
    accessKeyId,
    scope,
    signedHeaders,
    signature: given,
    method,
    path: at < 0 ? url : url.slice(0, at),
    query: at < 0 ? '' : url.slice(at + 1),
    headers,
    amzDate,
    signedAtMs: timeOf(amzDate),
  };
}

/**
 * Checks what can be checked without the body: the service, the time, and what is signed.
 *
 * @param nowMs the time here
 * @throws SignatureError `InvalidSignatureException`
 */
export function checkSignedRequest(request: SignedRequest, rules: SignatureRules, nowMs: number): void {
  const { scope, amzDate, signedAtMs, headers, signedHeaders } = request;
  if (scope.service !== rules.service) throw invalid(`the signature must be for the service "${rules.service}"`);
  if (scope.date !== amzDate.slice(0, 8)) throw invalid('the day in Credential must be that of x-amz-date');
  checkTime(signedAtMs, nowMs, rules.clockSkewSeconds);
  for (const name of ['host', ...rules.mustSign]) {
    const needed = name === 'host' || headers.get(name) !== undefined;
    if (needed && !signedHeaders.includes(name)) throw invalid(`the header ${name} must be among the signed ones`);
  }
  const lost = signedHeaders.find((name) => headers.get(name) === undefined);
  if (lost !== undefined) throw invalid(`the header ${lost} was signed, but did not arrive`);
}

/**
 * Checks the signature, in constant time, over the body as it was received.
 *
 * @param secretAccessKey of `request.accessKeyId`
 * @throws SignatureError `InvalidSignatureException`
 */
export function verifySignedRequest(
  request: SignedRequest,
  body: Uint8Array,
  secretAccessKey: string,
  keys: SigningKeys,
): void {
  const { method, path, query, headers, scope } = request;
  const payloadHash = sha256Hex(body);
  const announced = headers.get('x-amz-content-sha256');
  if (announced !== undefined && announced !== payloadHash) {
    throw invalid('x-amz-content-sha256 is not the SHA-256 of the body that arrived');
  }
  const canonical = canonicalRequest({ method, path, query, headers, payloadHash }, request.signedHeaders);
  const isRight = (key: Uint8Array): boolean =>
    equal(signature(canonical, request.amzDate, scope, key), request.signature);
  if (!keys.proves(secretAccessKey, scope, isRight)) {
    throw invalid(
      'the signature is not that of this request: check the secret access key, and that every proxy on the way leaves Host, path and body as they are',
    );
  }
}

/** The messages begin as AWS's do: by "Signature expired" an SDK recognises that its clock is wrong, and corrects it. */
function checkTime(signedAtMs: number, nowMs: number, skewSeconds: number): void {
  const [earliest, latest] = [nowMs - skewSeconds * 1000, nowMs + skewSeconds * 1000];
  if (signedAtMs < earliest) throw invalid(`Signature expired: x-amz-date is more than ${skewSeconds} s in the past`);
  if (signedAtMs > latest) {
    throw invalid(`Signature not yet current: x-amz-date is more than ${skewSeconds} s in the future`);
  }
}

/** Headers that are read here; of each there may be one. */
const READ_HERE = ['host', 'x-amz-date', 'x-amz-content-sha256'];

function refuseRepeated({ repeated }: ReceivedHeaders, signedHeaders: readonly string[]): void {
  if (repeated.size === 0) return;
  const name = [...READ_HERE, ...signedHeaders].find((one) => repeated.has(one));
  if (name !== undefined) throw invalid(`the header ${name} came more than once`);
}

/**
 * Milliseconds since 1970 of `YYYYMMDDTHHMMSSZ`.
 *
 * @throws SignatureError for anything else, the 30th of February included
 */
function timeOf(amzDate: string): number {
  const at = (from: number, to: number): number => Number(amzDate.slice(from, to));
  const [year, month, day, hour, minute, second] = [at(0, 4), at(4, 6), at(6, 8), at(9, 11), at(11, 13), at(13, 15)];
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  // What is too large has been carried over to the next larger unit, so it was no time.
  const isReal = new Date(time).getUTCDate() === day && month <= 12 && hour < 24 && minute < 60 && second < 60;
  if (isReal && /^\d{8}T\d{6}Z$/.test(amzDate)) return time;
  throw incomplete('x-amz-date must be a time such as 20250131T235959Z');
}

/** Both are compared as digests would be: the time says nothing about how much of them is equal. */
function equal(expected: string, given: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(expected), Buffer.from(given, 'latin1'));
}

function incomplete(message: string): SignatureError {
  return new SignatureError('IncompleteSignatureException', message);
}

function invalid(message: string): SignatureError {
  return new SignatureError('InvalidSignatureException', message);
}
