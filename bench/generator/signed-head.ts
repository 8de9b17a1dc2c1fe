import { canonicalRequest, scopeText, sha256Hex, signature, signingKey } from '@hearth/sigv4';
import { Target } from './job';

/** By ARN, the longer of the two ways: what a backend that was moved here sends. */
const PATH = `/2015-03-31/functions/${encodeURIComponent('arn:aws:lambda:us-east-1:000000000000:function:Hearth-PublishFunction')}/invocations`;

/** What is signed, and what `Authorization` says. */
export interface SignedHead {
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

/** An invocation with `body`, signed as of now with the headers that the AWS SDK for JavaScript signs. */
export function signedHead({ port, accessKey }: Target, body: string): SignedHead {
  const amzDate = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const payloadHash = sha256Hex(body);
  const headers = new Map(
    Object.entries({
      'amz-sdk-invocation-id': '3d1bb26c-6f0c-4d6f-9d22-1f2cb1a1f1a4',
      'amz-sdk-request': 'attempt=1; max=3',
      'content-length': String(body.length),
      'content-type': 'application/octet-stream',
      host: `127.0.0.1:${port}`,
      'x-amz-content-sha256': payloadHash,
      'x-amz-date': amzDate,
      'x-amz-user-agent': 'aws-sdk-js/3.1162.0',
    }),
  );
  const names = [...headers.keys()];
  const scope = { date: amzDate.slice(0, 8), region: 'us-east-1', service: 'lambda' };
  const canonical = canonicalRequest({ method: 'POST', path: PATH, query: '', headers, payloadHash }, names);
  const proof = signature(canonical, amzDate, scope, signingKey(accessKey.secret, scope));
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKey.id}/${scopeText(scope)}, SignedHeaders=${names.join(';')}, Signature=${proof}`;
  return { path: PATH, headers: [...[...headers].flat(), 'authorization', authorization] };
}
