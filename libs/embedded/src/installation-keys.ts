import { isGiven, loadConfig, VARIABLES, type Environment } from '@hearth/runtime';
import { loadOrCreateKeys } from './keys';

/** The generated secrets that are in force, i.e. that the environment does not replace. */
export interface GeneratedKeys {
  readonly file: string;
  /** Whether this start made them: only then are they shown. */
  readonly created: boolean;
  readonly apiKey1?: string;
  readonly apiKey2?: string;
  readonly signingSecret?: Buffer;
  /** `AKID:SECRET` */
  readonly awsAccessKey?: string;
}

/**
 * Adds what the environment leaves open from the data folder's keys, which the first start makes. Each slot is looked at
 * on its own: a key that is set replaces the generated one of its slot and no other, and further keys replace none
 * (publish-api §2). A slot whose file is empty is not open: that is how a key is taken out of it.
 *
 * @returns the environment to run with, and the generated keys it uses; `undefined` where it uses none
 * @throws ConfigError when the environment is not valid: nothing is made then
 */
export async function withInstallationKeys(
  env: Environment,
): Promise<{ env: Environment; generated: GeneratedKeys | undefined }> {
  const { dataDir } = loadConfig(env, 'hearth');
  const isOpen = (key: keyof typeof VARIABLES): boolean => !isGiven(env, VARIABLES[key]);
  const [needsApi1, needsApi2] = [isOpen('apiKey1'), isOpen('apiKey2')];
  const [needsSigning, needsAws] = [isOpen('signingKey1Encoded'), isOpen('awsAccessKeys')];
  if (!needsApi1 && !needsApi2 && !needsSigning && !needsAws) return { env, generated: undefined };
  const keys = await loadOrCreateKeys(dataDir);
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
      ...(needsApi1 ? { HEARTH_HTTP_API_KEY_1: keys.httpApiKey1 } : {}),
      ...(needsApi2 ? { HEARTH_HTTP_API_KEY_2: keys.httpApiKey2 } : {}),
      ...(needsAws ? { HEARTH_AWS_ACCESS_KEYS: keys.awsAccessKeys } : {}),
    },
    generated: {
      file: keys.file,
      created: keys.created,
      apiKey1: needsApi1 ? keys.httpApiKey1 : undefined,
      apiKey2: needsApi2 ? keys.httpApiKey2 : undefined,
      signingSecret: needsSigning ? keys.signingKey.secret : undefined,
      awsAccessKey: needsAws ? keys.awsAccessKeys : undefined,
    },
  };
}
