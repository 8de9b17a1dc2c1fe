import { loadConfig } from '@hearth/service';
import { InstallationKeys, loadOrCreateKeys } from './embedded/keys';

type Environment = Readonly<Record<string, string | undefined>>;

/** Names of variables and of their `_FILE` forms. */
const both = (...names: string[]): string[] => names.flatMap((name) => [name, `${name}_FILE`]);

const SIGNING_KEYS = both('HEARTH_SIGNING_KEY_1_ENCODED', 'HEARTH_SIGNING_KEY_2_ENCODED');
const API_KEYS = both('HEARTH_HTTP_API_KEY_1', 'HEARTH_HTTP_API_KEY_2', 'HEARTH_HTTP_API_KEYS');
const AWS_KEYS = both('HEARTH_AWS_ACCESS_KEYS');

/** The generated secrets that are in force, i.e. that the environment does not replace. */
export interface GeneratedKeys {
  readonly file: string;
  /** Whether this start made them: only then are they shown. */
  readonly created: boolean;
  readonly apiKeys?: readonly [string, string];
  readonly signingSecret?: Buffer;
  /** `AKID:SECRET` */
  readonly awsAccessKey?: string;
}

/**
 * Adds what the environment leaves open from the data folder's keys, which the first start makes.
 *
 * @returns the environment to run with, and the generated keys it uses; `undefined` where it uses none
 * @throws ConfigError when the environment is not valid: nothing is made then
 */
export async function withInstallationKeys(
  env: Environment,
): Promise<{ env: Environment; generated: GeneratedKeys | undefined }> {
  const { dataDir } = loadConfig(env, 'hearth');
  const missing = (names: readonly string[]): boolean => names.every((name) => (env[name] ?? '') === '');
  const [needsSigning, needsApi, needsAws] = [missing(SIGNING_KEYS), missing(API_KEYS), missing(AWS_KEYS)];
  if (!needsSigning && !needsApi && !needsAws) return { env, generated: undefined };
  const keys: InstallationKeys = await loadOrCreateKeys(dataDir);
  return {
    env: {
      ...env,
      ...(needsSigning
        ? {
            HEARTH_SIGNING_KEY_1_METHOD_FILE: undefined,
            HEARTH_SIGNING_KEY_1_METHOD: keys.signingKey.method,
            HEARTH_SIGNING_KEY_1_ENCODED: keys.signingKey.encoded,
          }
        : {}),
      ...(needsApi ? { HEARTH_HTTP_API_KEY_1: keys.httpApiKey1, HEARTH_HTTP_API_KEY_2: keys.httpApiKey2 } : {}),
      ...(needsAws ? { HEARTH_AWS_ACCESS_KEYS: keys.awsAccessKeys } : {}),
    },
    generated: {
      file: keys.file,
      created: keys.created,
      apiKeys: needsApi ? [keys.httpApiKey1, keys.httpApiKey2] : undefined,
      signingSecret: needsSigning ? keys.signingKey.secret : undefined,
      awsAccessKey: needsAws ? keys.awsAccessKeys : undefined,
    },
  };
}
