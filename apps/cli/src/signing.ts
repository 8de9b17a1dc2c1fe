import { neededKey, pemLines, SIGNING_METHODS, type SigningKey, type SigningMethod } from '@hearth/claims';
import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto';
import { UsageError } from './failure';
import { readSecret } from './input';
import { otherSources } from './installation-settings';

/** What tokens are signed with. */
export interface Signer {
  readonly algorithm: SigningMethod;
  /** A secret key for HS*, a private key for all others. */
  readonly key: KeyObject;
  /** Header `kid`. */
  readonly kid?: string;
}

export interface SigningFlags {
  readonly key?: string;
  readonly algorithm?: string;
  readonly kid?: string;
}

/**
 * The key of `--key`, else the first secret among the signing keys of the installation: their other keys are public
 * ones, which only check.
 *
 * @param installed reads the installation's signing keys; called only if they are needed
 * @throws UsageError
 */
export async function signerOf(flags: SigningFlags, installed: () => Promise<readonly SigningKey[]>): Promise<Signer> {
  const algorithm = parseAlgorithm(flags.algorithm);
  if (flags.key !== undefined) return givenSigner(readSecret(flags.key, '--key'), algorithm, flags.kid);
  const keys = await installed();
  if (keys.length === 0) {
    throw new UsageError(`no signing key: give --key, ${otherSources('HEARTH_SIGNING_KEY_1_ENCODED')}`);
  }
  const found = keys.find(({ method }) => method.startsWith('HS') && method === (algorithm ?? method));
  if (found !== undefined) return { algorithm: found.method, key: found.key, kid: flags.kid ?? found.id };
  const methods = keys.map(({ method }) => method).join(' and ');
  throw new UsageError(
    keys.some(({ method }) => method.startsWith('HS'))
      ? `--algorithm ${algorithm} does not fit the signing key of the installation (${methods})`
      : `the installation's signing key (${methods}) is a public key, which can only check tokens: give the private key with --key @private.pem`,
  );
}

function parseAlgorithm(name: string | undefined): SigningMethod | undefined {
  const method = SIGNING_METHODS.find((known) => known === name);
  if (name !== undefined && method === undefined) {
    throw new UsageError(`--algorithm must be one of ${SIGNING_METHODS.join(', ')}`);
  }
  return method;
}

function givenSigner(text: string, algorithm: SigningMethod | undefined, kid: string | undefined): Signer {
  const pem = pemLines(text);
  if (!pem.startsWith('-----BEGIN ')) {
    if (algorithm !== undefined && !algorithm.startsWith('HS')) {
      throw new UsageError(`--key must be a PEM private key for --algorithm ${algorithm}`);
    }
    return { algorithm: algorithm ?? 'HS256', key: createSecretKey(text, 'utf8'), kid };
  }
  if (pem.startsWith('-----BEGIN PUBLIC KEY') || pem.startsWith('-----BEGIN RSA PUBLIC KEY')) {
    throw new UsageError('--key is a public key, which can only check tokens: give the private key');
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new UsageError('--key is not a PEM private key that can be read');
  }
  // The usual algorithm comes first.
  const methods = SIGNING_METHODS.filter((method) => !method.startsWith('HS') && neededKey(method, key) === undefined);
  const [natural] = methods;
  if (natural === undefined)
    throw new UsageError('--key must be an RSA (2048 bits or more), EC (P-256, P-384, P-521) or Ed25519 key');
  if (algorithm !== undefined && !methods.includes(algorithm)) {
    throw new UsageError(`--algorithm ${algorithm} does not fit --key, which is for ${methods.join(', ')}`);
  }
  return { algorithm: algorithm ?? natural, key, kid };
}
