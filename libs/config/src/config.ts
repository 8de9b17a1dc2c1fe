import { randomBytes } from 'node:crypto';
import { inconsistencies } from './config-checks';
import { ConfigError } from './config-error';
import {
  VARIABLE_KEYS,
  VARIABLES,
  type ReloadableKey,
  type VariableKey,
  type VariableValues,
} from './config-variables';
import { isGiven, readVariables, unknownNames, type Environment } from './environment';
import { RELOADABLE_KEYS, ReloadableSettings } from './reloadable-settings';
import type { ServiceName } from './variable';

type FixedKey = Exclude<VariableKey, ReloadableKey>;
type FixedValues = Pick<VariableValues, FixedKey>;

/** All settings of one process, parsed and frozen. What each key means: `VARIABLES`. */
export interface HearthConfig extends Omit<FixedValues, 'nodeId'> {
  readonly service: ServiceName;
  /** `HEARTH_NODE_ID`, or random. */
  readonly nodeId: string;
  /** What this process signs leases and claims with: no other has it, not even the next one of the same name. */
  readonly processId: string;
  /** Keys, log level, events switch: whatever may change while the process runs. */
  readonly reloadable: ReloadableSettings;
  /** What an operator should know but that does not stop the start, one line each. */
  readonly warnings: readonly string[];
}

const FIXED_KEYS = VARIABLE_KEYS.filter((key): key is FixedKey => !(RELOADABLE_KEYS as VariableKey[]).includes(key));

/**
 * Reads, checks and freezes the settings of `service` (configuration §1, §2). Throws one `ConfigError` that names
 * every bad variable. Variables the service does not use are checked too: a mistake is a mistake everywhere.
 */
export function loadConfig(env: Environment, service: ServiceName): HearthConfig {
  const { values, problems } = readVariables(env, FIXED_KEYS);
  problems.push(...missing(env, service), ...inconsistencies(values, service));
  const reloadable = readReloadable(env, problems);
  // A required variable may be missing because its name was misspelt.
  if (reloadable === undefined || problems.length > 0) throw new ConfigError([...problems, ...unknownVariables(env)]);
  const random = randomBytes(6).toString('hex');
  return Object.freeze({
    ...values,
    service,
    nodeId: values.nodeId ?? random,
    processId: values.nodeId === undefined ? random : `${values.nodeId}.${random}`,
    reloadable,
    warnings: Object.freeze(warningsOf(env, service, reloadable)),
  });
}

/** The settings that may change; what is wrong with them is added to `problems`. */
function readReloadable(env: Environment, problems: string[]): ReloadableSettings | undefined {
  try {
    return new ReloadableSettings(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/** The value of an optional setting the calling code cannot run without; throws an error that names the variable. */
export function required<K extends FixedKey>(config: HearthConfig, key: K): NonNullable<HearthConfig[K]> {
  const value = config[key];
  if (value === undefined || value === null) throw new ConfigError([`${VARIABLES[key].name}: is needed here`]);
  return value;
}

/** Variables that must be set together, or for this service. */
function missing(env: Environment, service: ServiceName): string[] {
  const isSet = (key: VariableKey) => isGiven(env, VARIABLES[key]);
  const problems: string[] = [];
  const need = (key: VariableKey, why: string) => {
    if (!isSet(key)) problems.push(`${VARIABLES[key].name}: ${why}`);
  };
  if (service !== 'hearth') {
    need('natsUrls', `is required by ${service}`);
    need('databaseUrl', `is required by ${service}`);
  }
  if (isSet('tlsCertFile')) need('tlsKeyFile', 'is required with HEARTH_TLS_CERT_FILE');
  if (isSet('tlsKeyFile')) need('tlsCertFile', 'is required with HEARTH_TLS_KEY_FILE');
  return problems;
}

function warningsOf(env: Environment, service: ServiceName, reloadable: ReloadableSettings): string[] {
  const warnings = unknownVariables(env);
  const runs = (part: ServiceName) => service === 'hearth' || service === part;
  if (runs('gateway') && reloadable.current.signingKeys.length === 0) {
    warnings.push('No signing key is set (HEARTH_SIGNING_KEY_1_ENCODED): every token will be refused');
  }
  if (runs('publish-api') && reloadable.current.apiKeys.length === 0) {
    warnings.push('No API key is set (HEARTH_HTTP_API_KEY_1): every HTTP publish will be refused');
  }
  warnings.push(...reloadable.current.weakKeys);
  if (service === 'webhooks' && !isGiven(env, VARIABLES.webhookUrls)) {
    warnings.push('No URL is set (HEARTH_WEBHOOK_URLS): there is nothing to do');
  }
  if (runs('webhooks') && isGiven(env, VARIABLES.webhookUrls) && !reloadable.current.eventsEnabled) {
    warnings.push('HEARTH_EVENTS_ENABLED is off: there are no events to send to HEARTH_WEBHOOK_URLS');
  }
  return warnings;
}

function unknownVariables(env: Environment): string[] {
  return unknownNames(env).map((name) => `${name} is not a known variable and has no effect`);
}
