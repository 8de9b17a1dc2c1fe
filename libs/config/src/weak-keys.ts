import type { SigningKey } from '@hearth/claims';
import { VARIABLES } from './config-variables';

/** As long as the hash, or it is the weakest part (RFC 7518 §3.2). */
const LEAST_BYTES: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };
/** Random characters: nobody can try so many. */
const LEAST_CHARACTERS = 16;

/** Keys that are set, by the variable they came from. */
interface SetKeys {
  readonly signingKeys: readonly SigningKey[];
  readonly apiKeys: readonly (readonly [variable: string, key: string])[];
}

/** What is to be said of keys that are too short, one line each; never a key. */
export function weakKeyProblems({ signingKeys, apiKeys }: SetKeys): string[] {
  const signing = signingKeys.flatMap(({ slot, method, key }) => {
    const least = LEAST_BYTES[method] ?? 0;
    const bytes = key.symmetricKeySize ?? Infinity;
    if (bytes >= least) return [];
    const { name } = slot === 1 ? VARIABLES.signingKey1Encoded : VARIABLES.signingKey2Encoded;
    return [`${name}: has ${bytes} bytes, and a secret for ${method} must have ${least} (RFC 7518)`];
  });
  const api = apiKeys
    .filter(([, key]) => [...key].length < LEAST_CHARACTERS)
    .map(([variable]) => `${variable}: a key must have at least ${LEAST_CHARACTERS} characters`);
  return [...signing, ...new Set(api)];
}
