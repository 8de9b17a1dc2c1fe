import { checkHttpUrl, neededOption, optionOf, type Config } from './sdk-config';
import { credentialSource, type CredentialSource } from './aws-credentials';
import type { PublishResult } from './message';
import { RequestSigner } from './request-signer';
import { refusalOf, membersOf, resultOf, type Answer, type HttpRequest, type Transport } from './transport';

/** Invocation of the publish function with AWS's own protocol (publish-api §10). */
export class LambdaTransport implements Transport {
  private readonly url: URL;
  private readonly credentials: CredentialSource;
  private readonly signer: RequestSigner;
  private readonly throwOnFunctionError: boolean;

  /** @throws ConfigurationError naming the option that is missing */
  constructor(config: Config) {
    const functionName = neededOption(config, 'publishFunctionArn', 'to publish by Lambda');
    const region = neededOption(config, 'awsRegion', 'to publish by Lambda');
    this.url = invocationUrl(endpointOf(config, region), functionName);
    this.signer = new RequestSigner(this.url, region);
    this.credentials = credentialSource(config, region);
    this.throwOnFunctionError = optionOf(config, 'throwOnFunctionError');
  }

  async request(body: Uint8Array): Promise<HttpRequest> {
    const headers = this.signer.headers(body, await this.credentials(), new Date());
    return { url: this.url, method: 'POST', headers, body };
  }

  read(answer: Answer): PublishResult {
    const { statusCode, headers } = answer;
    const requestId = headers.get('x-amzn-requestid') ?? undefined;
    if (statusCode !== 200) throw refusalOf(answer, apiError(answer), { requestId });
    const functionError = headers.get('x-amz-function-error') ?? undefined;
    if (functionError !== undefined && this.throwOnFunctionError) {
      const { errorType, errorMessage } = membersOf(answer);
      throw refusalOf(answer, { code: errorType, message: errorMessage }, { requestId, functionError });
    }
    const executedVersion = headers.get('x-amz-executed-version') ?? undefined;
    return resultOf(answer, { requestId, functionError, executedVersion });
  }
}

/** The exception's name is in a header, at times followed by `:` and a URL; Lambda spells `message` in two ways (§10.4). */
function apiError(answer: Answer): { readonly code: unknown; readonly message: unknown } {
  const { message, Message } = membersOf(answer);
  const [name] = (answer.headers.get('x-amzn-errortype') ?? '').split(':');
  return { code: name === '' ? undefined : name, message: message ?? Message };
}

function endpointOf(config: Config, region: string): string {
  const configured = optionOf(config, 'lambdaEndpoint');
  if (configured !== undefined) return configured;
  for (const variable of ['AWS_ENDPOINT_URL_LAMBDA', 'AWS_ENDPOINT_URL']) {
    const value = process.env[variable];
    if (value) return checkHttpUrl(variable, value);
  }
  return `https://lambda.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function invocationUrl(endpoint: string, functionName: string): URL {
  const url = new URL(endpoint);
  const base = url.pathname.replace(/\/+$/, '');
  return new URL(`${base}/2015-03-31/functions/${encodeURIComponent(functionName)}/invocations`, url.origin);
}
