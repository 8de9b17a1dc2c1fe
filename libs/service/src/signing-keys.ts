import { parseSigningKey, type SigningKey } from '@hearth/claims';
import { ConfigError } from './config-error';
import type { VariableValues } from './config-variables';

export type SigningKeySlots = Pick<
  VariableValues,
  | 'signingKey1Method'
  | 'signingKey1Id'
  | 'signingKey1Encoded'
  | 'signingKey2Method'
  | 'signingKey2Id'
  | 'signingKey2Encoded'
>;

/**
 * The signing keys that are set, slot 1 before slot 2. Throws one `ConfigError` that names every key which is not
 * what its method needs, in the words of `parseSigningKey`, which never show the key.
 */
export function signingKeysOf(slots: SigningKeySlots): readonly SigningKey[] {
  const problems: string[] = [];
  const keys = [
    attempt(() => keyOf(1, slots.signingKey1Method, slots.signingKey1Id, slots.signingKey1Encoded), problems),
    attempt(() => keyOf(2, slots.signingKey2Method, slots.signingKey2Id, slots.signingKey2Encoded), problems),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(keys.filter((key) => key !== undefined));
}

/** A PEM file is taken as it is: `…_ENCODED_FILE` may point to one. Elsewhere keys are Base64 (tokens-and-claims §1). */
function keyOf(slot: 1 | 2, method: string, id: string | undefined, value: string | undefined): SigningKey | undefined {
  if (value === undefined) return undefined;
  const encoded = value.startsWith('-----BEGIN ') ? Buffer.from(value).toString('base64') : value;
  return parseSigningKey({ slot, method, id, encoded });
}

function attempt<T>(parse: () => T, problems: string[]): T | undefined {
  try {
    return parse();
  } catch (error) {
    problems.push((error as Error).message);
    return undefined;
  }
}
