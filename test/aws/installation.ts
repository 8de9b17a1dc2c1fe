import { startAll } from '../publish-api/publish-api';
import { ACCESS_KEY } from './signed-request';

/** A publish-api with an access key, and what it queues. */
export async function startInstallation(env: Readonly<Record<string, string>> = {}) {
  const all = await startAll({ HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`, ...env });
  return { ...all, endpoint: `http://localhost:${all.app.port}` };
}

export type Installation = Awaited<ReturnType<typeof startInstallation>>;

/** What every AWS program reads from its environment; no profile, no metadata service. */
export function awsEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ENDPOINT_URL_LAMBDA: endpoint,
    AWS_ACCESS_KEY_ID: ACCESS_KEY.id,
    AWS_SECRET_ACCESS_KEY: ACCESS_KEY.secret,
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_REGION: 'eu-central-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
}
