import { loadConfig } from './config';
import { isGiven, type Environment } from './environment';
import { VARIABLES, type VariableKey } from './config-variables';

/** The secrets that an installation made for itself, as far as they are in force: the environment replaces the others. */
export interface GeneratedKeys {
  readonly file: string;
  /** Whether this start made them: only then are they shown. */
  readonly created: boolean;
  readonly httpApiKey1?: string;
  readonly httpApiKey2?: string;
  readonly signingKey?: { readonly method: string; readonly encoded: string; readonly secret: Buffer };
  /** `AKID:SECRET` */
  readonly awsAccessKeys?: string;
}

/**
 * Adds what the environment leaves open from the data folder's keys, which the first start makes. Each slot is looked at
 * on its own: a key that is set replaces the generated one of its slot and no other, and further keys replace none
 * (publish-api §2). A slot whose file is empty is not open: that is how a key is taken out of it.
 *
 * @param keysOf loads the keys of a data folder, or makes them; called only if one is needed
 * @returns the environment to run with, and the generated keys it uses; `undefined` where it uses none
 * @throws ConfigError when the environment is not valid: nothing is made then
 */
export async function withInstallationKeys(
  env: Environment,
  keysOf: (dataDir: string) => Promise<Required<GeneratedKeys>>,
): Promise<{ env: Environment; generated: GeneratedKeys | undefined }> {
  const { dataDir } = loadConfig(env, 'hearth');
  const slots = ['apiKey1', 'apiKey2', 'signingKey1Encoded', 'awsAccessKeys'] as const;
  const open = new Set<VariableKey>(slots.filter((slot) => !isGiven(env, VARIABLES[slot])));
  if (open.size === 0) return { env, generated: undefined };
  const keys = await keysOf(dataDir);
  const generated: GeneratedKeys = {
    file: keys.file,
    created: keys.created,
    httpApiKey1: open.has('apiKey1') ? keys.httpApiKey1 : undefined,
    httpApiKey2: open.has('apiKey2') ? keys.httpApiKey2 : undefined,
    signingKey: open.has('signingKey1Encoded') ? keys.signingKey : undefined,
    awsAccessKeys: open.has('awsAccessKeys') ? keys.awsAccessKeys : undefined,
  };
  const signingKey = generated.signingKey && {
    HEARTH_SIGNING_KEY_1_METHOD_FILE: undefined,
    HEARTH_SIGNING_KEY_1_METHOD: generated.signingKey.method,
    HEARTH_SIGNING_KEY_1_ENCODED: generated.signingKey.encoded,
  };
  return {
    env: {
      ...env,
      ...signingKey,
      HEARTH_HTTP_API_KEY_1: generated.httpApiKey1 ?? env.HEARTH_HTTP_API_KEY_1,
      HEARTH_HTTP_API_KEY_2: generated.httpApiKey2 ?? env.HEARTH_HTTP_API_KEY_2,
      HEARTH_AWS_ACCESS_KEYS: generated.awsAccessKeys ?? env.HEARTH_AWS_ACCESS_KEYS,
    },
    generated,
  };
}
