import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';

/** The algorithms a key slot can be set to; the value is the `alg` that a token's header must carry. */
export const SIGNING_METHODS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

export type SigningMethod = (typeof SIGNING_METHODS)[number];

/** One configured key slot (tokens-and-claims §1). The key never prints its material. */
export interface SigningKey {
  readonly slot: 1 | 2;
  readonly method: SigningMethod;
  /** Expected `kid`; absent accepts any. */
  readonly id?: string;
  /** A secret key for HS*, a public key for all others. */
  readonly key: KeyObject;
}

/** A key slot as configured. */
export interface SigningKeyInput {
  readonly slot: 1 | 2;
  readonly method: string;
  /** Blank is the same as absent. */
  readonly id?: string;
  /** Base64 of the secret, or of a PEM public key. */
  readonly encoded: string;
}

const CURVES: Partial<Record<SigningMethod, { readonly node: string; readonly name: string }>> = {
  ES256: { node: 'prime256v1', name: 'P-256' },
  ES384: { node: 'secp384r1', name: 'P-384' },
  ES512: { node: 'secp521r1', name: 'P-521' },
};

/** RFC 7518 §3.3 demands it, and jose verifies with nothing smaller. */
const MIN_RSA_BITS = 2_048;

/**
 * Reads one key slot. Synchronous; meant for the start and for reloads.
 *
 * @throws Error whose message names the variable and what is wrong with it, never its value.
 */
export function parseSigningKey(input: SigningKeyInput): SigningKey {
  const method = SIGNING_METHODS.find((known) => known === input.method);
  if (method === undefined) {
    throw new Error(`HEARTH_SIGNING_KEY_${input.slot}_METHOD must be one of ${SIGNING_METHODS.join(', ')}`);
  }
  const id = input.id?.trim() === '' ? undefined : input.id;
  try {
    const key = method.startsWith('HS')
      ? secretKey(decodeBase64(input.encoded))
      : publicKey(method, pemLines(pemText(input.encoded)));
    return { slot: input.slot, method, ...(id === undefined ? {} : { id }), key };
  } catch (error) {
    if (!(error instanceof KeyProblem)) throw error;
    throw new Error(`HEARTH_SIGNING_KEY_${input.slot}_ENCODED ${error.message}`);
  }
}

/** What is wrong with a key, worded to follow the variable's name. */
class KeyProblem extends Error {}

/**
 * White space and the two characters `\n` are removed first: keys are pasted from JSON and shell output, and Node's
 * decoder would read the `n` as data.
 */
function decodeBase64(encoded: string): Buffer {
  const text = encoded.replace(/\\n|\s/g, '');
  if (text === '') throw new KeyProblem('must not be empty');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || !isBase64Length(text)) throw new KeyProblem('must be valid Base64');
  return Buffer.from(text, 'base64');
}

/** A PEM as it is, or in Base64. */
function pemText(encoded: string): string {
  return encoded.includes('-----BEGIN ') ? encoded : decodeBase64(encoded).toString('utf8');
}

const PEM = /^\s*-----BEGIN ([A-Z ]+)-----([^-]*)-----END \1-----\s*$/;

/** A PEM on one line, as `.env` files and the secrets of a CI have it, with `\n` or blanks for its line breaks, in lines. */
function pemLines(text: string): string {
  const [, label, body] = PEM.exec(text.replace(/\\[rn]/g, '\n')) ?? [];
  if (label === undefined || body === undefined) return text.trim();
  const lines = body.replace(/\s/g, '').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join('\n');
}

/** Padding may be left out; where it stands it must be complete. */
function isBase64Length(text: string): boolean {
  const unpadded = text.indexOf('=') === -1 ? text.length : text.indexOf('=');
  return unpadded % 4 !== 1 && (unpadded === text.length || text.length % 4 === 0);
}

function secretKey(bytes: Buffer): KeyObject {
  // HS256 is the default method: with a public key as its "secret", everybody could sign tokens.
  if (bytes.toString('latin1').trimStart().startsWith('-----BEGIN ')) {
    throw new KeyProblem('holds a PEM key, but the method is an HMAC one and needs a shared secret');
  }
  return createSecretKey(bytes);
}

function publicKey(method: SigningMethod, pem: string): KeyObject {
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new KeyProblem('holds a private key; only the public key belongs here');
  }
  if (!/^-----BEGIN (RSA )?PUBLIC KEY-----/.test(pem)) throw new KeyProblem('must be a PEM public key, or its Base64');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new KeyProblem('must be the Base64 of a PEM public key that can be parsed');
  }
  checkKeyType(method, key);
  return key;
}

function checkKeyType(method: SigningMethod, key: KeyObject): void {
  const curve = CURVES[method];
  if (curve !== undefined) {
    if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve.node) return;
    throw new KeyProblem(`must be an EC key on curve ${curve.name} for ${method}`);
  }
  if (method === 'EdDSA') {
    if (key.asymmetricKeyType === 'ed25519') return;
    throw new KeyProblem('must be an Ed25519 key for EdDSA');
  }
  if (key.asymmetricKeyType !== 'rsa') throw new KeyProblem(`must be an RSA key for ${method}`);
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw new KeyProblem(`must be an RSA key of at least ${MIN_RSA_BITS} bits`);
  }
}
