import { constants, createHmac, createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { neededKey } from '../../claims/src/needed-key';
import { pemLines } from '../../claims/src/pem';
import type { SigningMethod } from '../../claims/src/signing-methods';
import { ConfigurationError } from './sdk-errors';

/** Signs the text before the last dot of a token. */
export type Signer = (input: string) => Buffer;

/**
 * Parses a key, once for all tokens.
 *
 * @param given `issuerPrivateKey`: PEM text, or the secret itself for HS*
 * @throws ConfigurationError when the key cannot be parsed or does not suit the algorithm
 */
export function createSigner(algorithm: SigningMethod, given: string | Uint8Array): Signer {
  const hash = `sha${algorithm.slice(2)}`;
  // A copy: whoever gave the bytes may use their memory for something else.
  const key = Buffer.from(given);
  if (algorithm.startsWith('HS')) {
    refusePemAsSecret(algorithm, key.toString('latin1'));
    return (input) => createHmac(hash, key).update(input).digest();
  }
  const privateKey = parsePem(key.toString('utf8'));
  const needed = neededKey(algorithm, privateKey);
  if (needed !== undefined) throw unsuitable(`must be ${needed} for issuerKeyAlgorithm ${algorithm}`);
  const digest = algorithm === 'EdDSA' ? null : hash;
  const options = { key: privateKey, ...signatureOptions(algorithm) };
  return (input) => sign(digest, Buffer.from(input), options);
}

/** RFC 7518: ECDSA signatures are the two numbers side by side (§3.4), the salt of PS* is as long as the hash (§3.5). */
function signatureOptions(algorithm: SigningMethod) {
  if (algorithm.startsWith('ES')) return { dsaEncoding: 'ieee-p1363' as const };
  if (!algorithm.startsWith('PS')) return {};
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
}

/** Tokens "signed" with a PEM text as the secret are no mistake that anybody wants to keep. */
function refusePemAsSecret(algorithm: SigningMethod, secret: string): void {
  if (!secret.trimStart().startsWith('-----BEGIN ')) return;
  throw unsuitable(`is a PEM key, but issuerKeyAlgorithm ${algorithm} needs a shared secret`);
}

function parsePem(key: string): KeyObject {
  const pem = pemLines(key);
  if (/^-----BEGIN [A-Z ]*PUBLIC KEY-----/.test(pem)) throw unsuitable('is a public key; tokens need the private key');
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw unsuitable('cannot be parsed: it must be the PEM text of a private key without a passphrase', cause);
  }
}

function unsuitable(problem: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError('issuerPrivateKey', problem, { cause });
}
