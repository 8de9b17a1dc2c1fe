import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { RequestSigner } from './request-signer';

/** What the AWS SDK signs with, given Node's own functions. */
class Sha256 {
  private readonly hash: ReturnType<typeof createHash>;
  constructor(secret?: Uint8Array) {
    this.hash = secret === undefined ? createHash('sha256') : (createHmac('sha256', secret) as never);
  }
  update(data: Uint8Array | string): void {
    this.hash.update(data);
  }
  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }
  reset(): void {}
}

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const body = new TextEncoder().encode('{"event":"e","channel":"c","data":"👋"}');

/** The headers that the AWS SDK's signer makes of ours. */
async function signedBySdk(url: URL, headers: Record<string, string>, given: typeof credentials, now: Date) {
  const { authorization: _, ...own } = headers;
  const signer = new SignatureV4({
    service: 'lambda',
    region: 'eu-central-1',
    credentials: given,
    sha256: Sha256 as never,
    applyChecksum: true,
  });
  const request = {
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: { ...own, host: url.host },
    body,
  };
  return (await signer.sign(request, { signingDate: now })).headers;
}

describe('signatures (publish-api §10.2)', () => {
  it.each([
    'https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/Publish/invocations',
    'http://127.0.0.1:8080/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A111111111111%3Afunction%3AP%3A%24LATEST/invocations',
    'https://hearth.example.com/a%20b/2015-03-31/functions/P/invocations',
  ])("are the AWS SDK's for %s", async (address) => {
    const url = new URL(address);
    const signer = new RequestSigner(url, 'eu-central-1');
    const withToken = { ...credentials, sessionToken: 'a//token+=' };
    // The same signer, so that a key it keeps must not be used for another day or secret.
    for (const given of [credentials, withToken, { ...credentials, secretAccessKey: 'another' }, credentials]) {
      for (const time of ['2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00.000Z']) {
        const now = new Date(time);
        const headers = signer.headers(body, given, now);
        const { host, ...expected } = await signedBySdk(url, headers, given, now);
        expect(host).toBe(url.host);
        expect(headers).toEqual(expected);
      }
    }
  });
});
