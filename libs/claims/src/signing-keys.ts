import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { neededKey } from './needed-key';
import { SIGNING_METHODS, type SigningMethod } from './signing-methods';
import { pemLines } from './pem';

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
  const needed = neededKey(method, key);
  if (needed !== undefined) throw new KeyProblem(`must be ${needed} for ${method}`);
  return key;
}
