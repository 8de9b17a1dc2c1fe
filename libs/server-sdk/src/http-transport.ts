import type { PublishResult } from './message';
import { neededOption, optionOf, type Config } from './sdk-config';
import { ConfigurationError } from './sdk-errors';
import { namedError, refusalOf, resultOf, type Answer, type HttpRequest, type Transport } from './transport';

/** `POST /publish` or `POST /publish/batch` with an API key (publish-api §1, §2). */
export class HttpTransport implements Transport {
  private readonly url: URL;
  private readonly authorization: string;

  /** @throws ConfigurationError naming the option that is missing */
  constructor(config: Config, path: '' | '/batch' = '') {
    const need = path === '' ? 'to publish by HTTP' : 'to publish a batch';
    const whole = optionOf(config, 'publishHttpApiUrl');
    const base = optionOf(config, 'httpApiUrl');
    if (whole === undefined && base === undefined) {
      throw new ConfigurationError('publishHttpApiUrl', `is needed ${need}, or httpApiUrl`);
    }
    this.url = below(whole ?? `${base}`, `${whole === undefined ? '/publish' : ''}${path}`);
    this.authorization = bearer(neededOption(config, 'httpApiKey', need));
  }

  async request(body: Uint8Array): Promise<HttpRequest> {
    const headers = { authorization: this.authorization, 'content-type': 'application/json' };
    return { url: this.url, method: 'POST', headers, body };
  }

  read(answer: Answer): PublishResult {
    // Another 2xx comes from something that is not Hearth: taken for success, it would hide a wrong address.
    if (answer.statusCode === 202) return resultOf(answer);
    throw refusalOf(answer, namedError(answer));
  }
}

/** The address with a path below the one it has. */
export function below(address: string, path: string): URL {
  const url = new URL(address);
  if (path !== '') url.pathname = url.pathname.replace(/\/+$/, '') + path;
  return url;
}

/** `fetch` takes one character for each byte of a header. */
export function bearer(key: string): string {
  return `Bearer ${Buffer.from(key).toString('latin1')}`;
}
