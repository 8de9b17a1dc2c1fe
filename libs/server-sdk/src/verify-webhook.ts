import { createHmac, timingSafeEqual } from 'node:crypto';
import type { BackendEvent } from './backend-events';
import { ArgumentError, ConfigurationError, WebhookVerificationError } from './sdk-errors';

const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
/** Of a header that a sender with several secrets makes; anything longer is not worth the work. */
const MAX_SIGNATURES = 32;
const DEFAULT_TOLERANCE_SECONDS = 300;

/** `Headers` of `fetch` and of web frameworks, or the plain object of Node. */
export type HeaderSource =
  { get(name: string): string | null | undefined } | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /** How far the time of the webhook may be from now, in both directions; 300 when not given. */
  readonly toleranceSeconds?: number;
  /** Milliseconds since 1970; the clock of this machine when not given. */
  readonly nowMs?: number;
}

/**
 * Checks that a webhook is Hearth's, unchanged and recent (Standard Webhooks, symmetric scheme `v1`), and gives its event.
 * A webhook may come twice: `webhook-id` is the same then.
 *
 * @param body as it came: a parsed and rewritten one has another signature
 * @param headers of the request, names in any case
 * @param secrets `HEARTH_WEBHOOK_SECRETS` of the installation; several while one is replaced by another
 * @throws WebhookVerificationError when it is not to be trusted
 * @throws ArgumentError for a body that was parsed already
 * @throws ConfigurationError for a secret that is none
 * @throws SyntaxError when it is genuine and no JSON: somebody else wrote it to the events stream
 */
export function verifyWebhook<Event = BackendEvent>(
  body: string | Uint8Array,
  headers: HeaderSource,
  secrets: string | readonly string[],
  { toleranceSeconds = DEFAULT_TOLERANCE_SECONDS, nowMs = Date.now() }: VerifyOptions = {},
): Event {
  if (typeof body !== 'string' && !ArrayBuffer.isView(body)) {
    throw new ArgumentError(
      'the body must be text or bytes, as it came: what was parsed from it has another signature',
    );
  }
  const given = typeof secrets === 'string' ? secrets.split(',') : secrets;
  const keys = Array.isArray(given) ? given.map(keyOf) : [];
  if (keys.length === 0) throw new ConfigurationError('secrets', 'are needed to verify a webhook');
  const id = header(headers, 'webhook-id');
  const timestamp = header(headers, 'webhook-timestamp');
  const signatures = signaturesOf(header(headers, 'webhook-signature'));
  const signed = keys.map((key) => createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest());
  if (!isAnyEqual(signatures, signed)) throw new WebhookVerificationError('no signature fits the body and a secret');
  if (!/^\d{1,12}$/.test(timestamp) || !(Math.abs(nowMs / 1_000 - Number(timestamp)) <= toleranceSeconds)) {
    throw new WebhookVerificationError(`webhook-timestamp is more than ${toleranceSeconds} s from now`);
  }
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  return JSON.parse(text) as Event;
}

function keyOf(secret: string): Uint8Array {
  const [, encoded] = SECRET.exec(String(secret).trim()) ?? [];
  if (encoded === undefined) throw new ConfigurationError('secrets', 'must each be whsec_ and Base64');
  return Buffer.from(encoded, 'base64');
}

/** @throws WebhookVerificationError when it is missing */
function header(headers: HeaderSource, name: string): string {
  const value = typeof headers.get === 'function' ? headers.get(name) : memberOf(headers, name);
  if (typeof value !== 'string' || value === '') throw new WebhookVerificationError(`${name} is missing`);
  return value;
}

function memberOf(headers: object, name: string): unknown {
  const [, value] = Object.entries(headers).find(([written]) => written.toLowerCase() === name) ?? [];
  return Array.isArray(value) ? (value as unknown[])[0] : value;
}

function signaturesOf(list: string): Uint8Array[] {
  const signatures = list.split(' ', MAX_SIGNATURES).flatMap((one) => {
    const [version, encoded = ''] = one.split(',', 2);
    return version === 'v1' ? [Buffer.from(encoded, 'base64')] : [];
  });
  return signatures;
}

/** Takes the same time whichever is equal, and however much of it. */
function isAnyEqual(given: readonly Uint8Array[], signed: readonly Uint8Array[]): boolean {
  let found = false;
  for (const one of given) {
    for (const other of signed) {
      // Of another length it is no signature, which is no secret.
      if (one.length === other.length && timingSafeEqual(one, other)) found = true;
    }
  }
  return found;
}
