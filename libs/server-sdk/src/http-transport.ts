import { neededOption, type Config } from './sdk-config';
import type { PublishResult } from './message';
import { membersOf, refusalOf, resultOf, type Answer, type Transport } from './transport';

/** `POST /publish` with an API key (publish-api §2). */
export class HttpTransport implements Transport {
  readonly url: URL;
  private readonly authorization: string;

  /** @throws ConfigurationError naming the option that is missing */
  constructor(config: Config) {
    this.url = new URL(neededOption(config, 'publishHttpApiUrl', 'to publish by HTTP'));
    const key = neededOption(config, 'httpApiKey', 'to publish by HTTP');
    // `fetch` takes one character for each byte of a header.
    this.authorization = `Bearer ${Buffer.from(key).toString('latin1')}`;
  }

  async headers(): Promise<Record<string, string>> {
    return { authorization: this.authorization, 'content-type': 'application/json' };
  }

  read(answer: Answer): PublishResult {
    // Another 2xx comes from something that is not Hearth: taken for success, it would hide a wrong address.
    if (answer.statusCode === 202) return resultOf(answer);
    const { error } = membersOf(answer);
    throw refusalOf(answer, typeof error === 'object' && error !== null ? error : {});
  }
}
