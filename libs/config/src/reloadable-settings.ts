import { parseSigningKey, type SigningKey } from '@hearth/claims';
import { ConfigError } from './config-error';
import { VARIABLE_KEYS, VARIABLES, type ReloadableKey, type VariableValues } from './config-variables';
import { filesOf, isGiven, readVariables, type Environment } from './environment';
import type { Variable } from './variable';
import { weakKeyProblems } from './weak-keys';

export const RELOADABLE_KEYS = VARIABLE_KEYS.filter((key): key is ReloadableKey => {
  const { marks }: Variable = VARIABLES[key];
  return marks?.includes('reload') === true;
});

/** Variables that `ReloadableValues` gathers: keys, some of which need not be set. */
type SlotKey = `signingKey${1 | 2}${'Method' | 'Id' | 'Encoded'}` | 'apiKey1' | 'apiKey2' | 'moreApiKeys';

/** One consistent set of the settings that may change. */
export interface ReloadableValues extends Pick<VariableValues, Exclude<ReloadableKey, SlotKey>> {
  /** The signing keys that are set, slot 1 before slot 2. Empty: every token is refused. */
  readonly signingKeys: readonly SigningKey[];
  /** Keys 1 and 2 and the additional ones, as far as set. Empty: every request is refused. */
  readonly apiKeys: readonly string[];
  /** What operators should know of keys that are too short. */
  readonly weakKeys: readonly string[];
}

/**
 * Holder of the reloadable values in force: read `current` at every use and keep no copy, then a changed key needs neither
 * a restart nor the loss of a connection. `reload` swaps the whole set or nothing.
 */
export class ReloadableSettings {
  #current: ReloadableValues;

  constructor(private readonly env: Environment) {
    this.#current = readReloadableValues(env);
  }

  get current(): ReloadableValues {
    return this.#current;
  }

  /** Paths of the files that are re-read. */
  get files(): readonly string[] {
    return filesOf(this.env, RELOADABLE_KEYS);
  }

  /** Reads everything again. Throws `ConfigError`, and keeps the values in force, when anything is wrong. */
  reload(): ReloadableValues {
    this.#current = readReloadableValues(this.env);
    return this.#current;
  }
}

function readReloadableValues(env: Environment): ReloadableValues {
  const { values, problems } = readVariables(env, RELOADABLE_KEYS);
  const { signingKey1Method, signingKey1Id, signingKey1Encoded, ...others } = values;
  const { signingKey2Method, signingKey2Id, signingKey2Encoded, apiKey1, apiKey2, moreApiKeys = [], ...rest } = others;
  const signingKeys = [
    signingKeyOf(problems, 1, signingKey1Method, signingKey1Id, signingKey1Encoded),
    signingKeyOf(problems, 2, signingKey2Method, signingKey2Id, signingKey2Encoded),
  ];
  if (rest.webhookSecrets?.length === 0 && isGiven(env, VARIABLES.webhookUrls)) {
    problems.push(`${VARIABLES.webhookSecrets.name}: is required with ${VARIABLES.webhookUrls.name}`);
  }
  const apiKeys = [apiKey1, apiKey2, ...moreApiKeys].filter((key) => key !== undefined);
  if (rest.adminToken !== undefined && apiKeys.includes(rest.adminToken)) {
    problems.push(`${VARIABLES.adminToken.name}: must not be one of the API keys`);
  }
  const set = signingKeys.filter((key) => key !== undefined);
  const named = [
    [VARIABLES.apiKey1.name, apiKey1],
    [VARIABLES.apiKey2.name, apiKey2],
    ...moreApiKeys.map((key) => [VARIABLES.moreApiKeys.name, key] as const),
  ] as const;
  const weak = weakKeyProblems({
    signingKeys: set,
    apiKeys: named.flatMap(([name, key]) => (key === undefined ? [] : [[name, key] as const])),
  });
  if (refusesWeakKeys(env)) problems.push(...weak);
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({
    ...rest,
    weakKeys: Object.freeze(weak),
    signingKeys: Object.freeze(set),
    apiKeys: Object.freeze([...new Set(apiKeys)]),
  });
}

/** Whoever has an installation with short keys can go on with it until they are changed: `HEARTH_WEAK_KEYS=warn`. */
function refusesWeakKeys(env: Environment): boolean {
  const { weakKeys } = readVariables(env, ['weakKeys']).values;
  return (weakKeys ?? (env.NODE_ENV === 'production' ? 'refuse' : 'warn')) === 'refuse';
}

/**
 * The signing key of a slot, if it is set and right; what is wrong with it is added to `problems` in the words of
 * `parseSigningKey`, which never show the key. A PEM file is taken as it is: `…_ENCODED_FILE` may point to one. Elsewhere
 * keys are Base64 (tokens-and-claims §1). Without a method, which has a default, the method itself is wrong, and that is
 * reported already.
 */
function signingKeyOf(
  problems: string[],
  slot: 1 | 2,
  method: string | undefined,
  id: string | undefined,
  value: string | undefined,
): SigningKey | undefined {
  if (value === undefined || method === undefined) return undefined;
  const encoded = value.includes('-----BEGIN ') ? Buffer.from(value).toString('base64') : value;
  try {
    return parseSigningKey({ slot, method, id, encoded });
  } catch (error) {
    problems.push((error as Error).message);
    return undefined;
  }
}
