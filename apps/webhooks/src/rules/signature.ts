import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';

/**
 * The three headers that prove to a receiver who sent `body`, and when (Standard Webhooks, symmetric scheme `v1`).
 *
 * @param id the same for every attempt; free of full stops, which separate the signed parts
 * @param atMs time of this attempt, ms since 1970
 * @param body the bytes that are sent
 * @param secrets `whsec_` and Base64; one signature for each, so that a receiver may know the old or the new one
 */
export function signedHeaders(
  id: string,
  atMs: number,
  body: Uint8Array,
  secrets: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
