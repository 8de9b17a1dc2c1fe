import { parseSigningKey, type SigningKey } from '@hearth/claims';
import { ConfigError, gather } from './config-error';
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
export function signingKeysOf(slots: Partial<SigningKeySlots>): readonly SigningKey[] {
  const problems: string[] = [];
  const keys = [
    gather(problems, () => keyOf(1, slots.signingKey1Method, slots.signingKey1Id, slots.signingKey1Encoded)),
    gather(problems, () => keyOf(2, slots.signingKey2Method, slots.signingKey2Id, slots.signingKey2Encoded)),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(keys.filter((key) => key !== undefined));
}

/**
 * A PEM file is taken as it is: `…_ENCODED_FILE` may point to one. Elsewhere keys are Base64 (tokens-and-claims §1).
 * Without a method, which has a default, the method itself is wrong, and that is reported already.
 */
function keyOf(slot: 1 | 2, method?: string, id?: string, value?: string): SigningKey | undefined {
  if (value === undefined || method === undefined) return undefined;
  const encoded = value.startsWith('-----BEGIN ') ? Buffer.from(value).toString('base64') : value;
  try {
    return parseSigningKey({ slot, method, id, encoded });
  } catch (error) {
    throw new ConfigError([(error as Error).message]);
  }
}
