import { optionOf, type Config } from './sdk-config';
import { ConfigurationError, PublishError } from './sdk-errors';
import { VERSION } from './version';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** Gives credentials that are valid now; called for each request. */
export type CredentialSource = () => Promise<AwsCredentials>;

/** Parameters of AWS STS's AssumeRole. */
interface Role {
  readonly RoleArn: string;
  readonly RoleSessionName: string;
  readonly ExternalId?: string;
}

/** Credentials are replaced ahead of their end, for clocks differ and requests take time; AWS SDKs do the same. */
const REFRESH_AHEAD_MS = 5 * 60_000;

/**
 * Where credentials come from (server-sdk §2): an assumed role, else the configuration, else the environment, else the AWS
 * SDK. The SDK is loaded, if it is installed, when the first request needs it.
 *
 * @throws ConfigurationError when one half of the static credentials is missing
 */
export function credentialSource(config: Config, region: string): CredentialSource {
  const configured = configuredCredentials(config);
  const role = configuredRole(config);
  if (role !== undefined) {
    const timeoutMs = optionOf(config, 'timeoutMs');
    return refreshing(() => assumeRole(role, { region, credentials: configured }, timeoutMs));
  }
  const known = configured ?? environmentCredentials();
  return known === undefined ? sdkCredentials(region) : async () => known;
}

function configuredCredentials(config: Config): AwsCredentials | undefined {
  const accessKeyId = optionOf(config, 'awsAccessKeyId');
  const secretAccessKey = optionOf(config, 'awsSecretAccessKey');
  const sessionToken = optionOf(config, 'awsSessionToken');
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken };
  if (accessKeyId !== undefined) throw new ConfigurationError('awsSecretAccessKey', 'is needed with awsAccessKeyId');
  if (secretAccessKey !== undefined)
    throw new ConfigurationError('awsAccessKeyId', 'is needed with awsSecretAccessKey');
  if (sessionToken !== undefined) throw new ConfigurationError('awsAccessKeyId', 'is needed with awsSessionToken');
  return undefined;
}

function configuredRole(config: Config): Role | undefined {
  const RoleArn = optionOf(config, 'awsAssumeRoleArn');
  if (RoleArn === undefined) return undefined;
  const RoleSessionName = optionOf(config, 'awsAssumeRoleSessionName') ?? `hearth-sdk-${VERSION}`;
  return { RoleArn, RoleSessionName, ExternalId: optionOf(config, 'awsAssumeRoleExternalId') };
}

function environmentCredentials(): AwsCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: process.env.AWS_SESSION_TOKEN || undefined };
}

/** What the AWS SDK finds by itself: profiles, container and instance roles. It refreshes them, too. */
function sdkCredentials(region: string): CredentialSource {
  let provider: Promise<CredentialSource> | undefined;
  return async () => {
    provider ??= loadSdkProvider(region);
    try {
      return await (
        await provider
      )();
    } catch (cause) {
      provider = undefined;
      if (cause instanceof ConfigurationError) throw cause;
      throw new ConfigurationError('awsAccessKeyId', 'is not set, and the AWS SDK found no credentials', { cause });
    }
  };
}

async function loadSdkProvider(region: string): Promise<CredentialSource> {
  const lambda = await import('@aws-sdk/client-lambda').catch(notInstalled);
  if (lambda !== undefined) return new lambda.LambdaClient({ region }).config.credentials;
  const sts = await import('@aws-sdk/client-sts').catch(notInstalled);
  if (sts !== undefined) return new sts.STSClient({ region }).config.credentials;
  throw new ConfigurationError(
    'awsAccessKeyId',
    'and awsSecretAccessKey are needed, in the configuration or as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the ' +
      'environment; only with the package @aws-sdk/client-lambda can others be found',
  );
}

/** @param caller who assumes the role; without credentials, those that the AWS SDK finds are used */
async function assumeRole(
  role: Role,
  caller: { readonly region: string; readonly credentials?: AwsCredentials },
  timeoutMs: number,
): Promise<AwsCredentials> {
  const sts = await import('@aws-sdk/client-sts').catch(notInstalled);
  if (sts === undefined) {
    throw new ConfigurationError('awsAssumeRoleArn', 'needs the package @aws-sdk/client-sts, which is not installed');
  }
  const command = new sts.AssumeRoleCommand(role);
  const client = new sts.STSClient(caller);
  try {
    const abortSignal = AbortSignal.timeout(timeoutMs);
    const { Credentials: given } = await client.send(command, { abortSignal });
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = given ?? {};
    if (!accessKeyId || !secretAccessKey) throw new Error('the answer holds no credentials');
    return { accessKeyId, secretAccessKey, sessionToken: given?.SessionToken, expiration: given?.Expiration };
  } catch (cause) {
    throw roleRefused(cause);
  } finally {
    client.destroy();
  }
}

/** The AWS SDK's errors are named after AWS's own and know the status. */
function roleRefused(cause: unknown): PublishError {
  const error = Object(cause) as { name?: string; message?: string; $metadata?: { httpStatusCode?: number } };
  const { name: code = 'NETWORK_ERROR', message = String(cause), $metadata } = error;
  return new PublishError(
    `the role of awsAssumeRoleArn: ${message}`,
    { statusCode: $metadata?.httpStatusCode, code },
    { cause },
  );
}

/** Keeps credentials until shortly before they end. All who ask at the same time wait for one request. */
function refreshing(load: CredentialSource): CredentialSource {
  let cached: AwsCredentials | undefined;
  let loading: Promise<AwsCredentials> | undefined;
  const lasts = (forMs: number) => (cached?.expiration?.getTime() ?? Infinity) - Date.now() > forMs;
  return async () => {
    if (cached !== undefined && lasts(REFRESH_AHEAD_MS)) return cached;
    loading ??= load().finally(() => (loading = undefined));
    try {
      return (cached = await loading);
    } catch (error) {
      if (cached !== undefined && lasts(0)) return cached;
      throw error;
    }
  };
}

function notInstalled(error: unknown): undefined {
  const { code } = Object(error) as { code?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error;
}
