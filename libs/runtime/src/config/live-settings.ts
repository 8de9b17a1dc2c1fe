import { VARIABLES, type Variable, type VariableKey, type VariableValues } from './config-variables';
import { ConfigError, gather } from './config-error';
import { filesOf, isGiven, readVariables, type Environment } from './environment';
import type { SigningKey } from '@hearth/claims';
import { signingKeysOf } from './signing-keys';

/** Keys of the settings that may change while the process runs (configuration §2, last paragraph). */
export const LIVE_KEYS = (Object.keys(VARIABLES) as VariableKey[]).filter(
  (key): key is LiveKey => (VARIABLES[key] as Variable).reloadable === true,
);
export type LiveKey =
  | 'signingKey1Method'
  | 'signingKey1Id'
  | 'signingKey1Encoded'
  | 'signingKey2Method'
  | 'signingKey2Id'
  | 'signingKey2Encoded'
  | 'tokenAudience'
  | 'tokenIssuer'
  | 'apiKey1'
  | 'apiKey2'
  | 'moreApiKeys'
  | 'eventsEnabled'
  | 'logLevel'
  | 'tracesSampleRate'
  | 'awsAccessKeys'
  | 'webhookSecrets';

/** One consistent set of the settings that may change. */
export interface LiveValues extends Readonly<
  Pick<
    VariableValues,
    | 'tokenAudience'
    | 'tokenIssuer'
    | 'eventsEnabled'
    | 'logLevel'
    | 'tracesSampleRate'
    | 'awsAccessKeys'
    | 'webhookSecrets'
  >
> {
  /** The signing keys that are set, slot 1 before slot 2. Empty: every token is refused. */
  readonly signingKeys: readonly SigningKey[];
  /** Keys 1 and 2 and the additional ones, as far as set. Empty: every request is refused. */
  readonly apiKeys: readonly string[];
}

/**
 * Holder of the live values in force: read `current` at every use and keep no copy, then a changed key needs neither
 * a restart nor the loss of a connection. `reload` swaps the whole set or nothing.
 */
export class LiveSettings {
  #current: LiveValues;

  constructor(private readonly env: Environment) {
    this.#current = readLiveValues(env);
  }

  get current(): LiveValues {
    return this.#current;
  }

  /** Paths of the files that are re-read. */
  get files(): readonly string[] {
    return filesOf(this.env, LIVE_KEYS);
  }

  /** Reads everything again. Throws `ConfigError`, and keeps the values in force, when anything is wrong. */
  reload(): LiveValues {
    this.#current = readLiveValues(this.env);
    return this.#current;
  }
}

function readLiveValues(env: Environment): LiveValues {
  const { values, problems: wrongValues } = readVariables(env, LIVE_KEYS);
  const problems = [...wrongValues];
  const signingKeys = gather(problems, () => signingKeysOf(values));
  if (values.webhookSecrets?.length === 0 && isGiven(env, VARIABLES.webhookUrls)) {
    problems.push(`${VARIABLES.webhookSecrets.name}: is required with ${VARIABLES.webhookUrls.name}`);
  }
  if (signingKeys === undefined || problems.length > 0) throw new ConfigError(problems);
  const { tokenAudience, tokenIssuer, eventsEnabled, logLevel, tracesSampleRate, awsAccessKeys, webhookSecrets } =
    values;
  const apiKeys = [values.apiKey1, values.apiKey2, ...values.moreApiKeys].filter((key) => key !== undefined);
  return Object.freeze({
    signingKeys,
    apiKeys: Object.freeze([...new Set(apiKeys)]),
    tokenAudience,
    tokenIssuer,
    eventsEnabled,
    logLevel,
    tracesSampleRate,
    awsAccessKeys,
    webhookSecrets,
  });
}
