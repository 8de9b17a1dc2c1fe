// Not by its alias: this library is built into a package of its own, where there are none.
import {
  ALGORITHM,
  canonicalRequest,
  scopeText,
  sha256Hex,
  signature,
  signingKey,
  type CredentialScope,
} from '../../sigv4/src/canonical-request';
import type { AwsCredentials } from './aws-credentials';

/** Signs `POST` requests to one address (publish-api §10.2). */
export class RequestSigner {
  private kept?: { readonly of: string; readonly key: Uint8Array };

  constructor(
    private readonly url: URL,
    private readonly region: string,
  ) {}

  /** All headers of the request; those that `fetch` adds by itself are not signed, except `host`. */
  headers(payload: Uint8Array, credentials: AwsCredentials, now: Date): Record<string, string> {
    const amzDate = now.toISOString().replace(/[-:]|\.\d+/g, '');
    const payloadHash = sha256Hex(payload);
    const signed: Record<string, string> = {
      'content-type': 'application/json',
      host: this.url.host,
      'x-amz-content-sha256': payloadHash,
      'x-amz-date': amzDate,
      ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
    };
    const names = Object.keys(signed).sort();
    const path = this.url.pathname;
    const canonical = canonicalRequest(
      { method: 'POST', path, query: '', headers: new Map(Object.entries(signed)), payloadHash },
      names,
    );
    const scope = { date: amzDate.slice(0, 8), region: this.region, service: 'lambda' };
    const authorization = [
      `${ALGORITHM} Credential=${credentials.accessKeyId}/${scopeText(scope)}`,
      `SignedHeaders=${names.join(';')}`,
      `Signature=${signature(canonical, amzDate, scope, this.key(credentials.secretAccessKey, scope))}`,
    ].join(', ');
    const { host: _fetchSetsIt, ...headers } = signed;
    return { ...headers, authorization };
  }

  /** The key of the day, until the day or the secret changes. */
  private key(secretAccessKey: string, scope: CredentialScope): Uint8Array {
    const of = `${scope.date}/${secretAccessKey}`;
    if (this.kept?.of !== of) this.kept = { of, key: signingKey(secretAccessKey, scope) };
    return this.kept.key;
  }
}
