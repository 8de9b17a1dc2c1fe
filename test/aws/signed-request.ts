import { createHash, createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { checkAnswer } from '../support/api-checks';

/** The key of the tests' installation. */
export const ACCESS_KEY = { id: 'AKIATESTTESTTESTTEST', secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
export const FUNCTION_NAME = 'Hearth-PublishFunction';
export const FUNCTION_ARN = `arn:aws:lambda:eu-central-1:123456789012:function:${FUNCTION_NAME}`;

/** A request as it goes on the wire: what it says may be changed after it was signed. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: string | Buffer;
}

export interface ToSign {
  readonly host: string;
  readonly body: string | Buffer;
  /** Name or ARN, `FUNCTION_NAME` when not given; percent-encoded here. */
  readonly functionName?: string;
  readonly query?: string;
  /** Further headers, all of which are signed. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: { readonly id: string; readonly secret: string };
  readonly at?: Date;
  readonly region?: string;
  readonly service?: string;
  /** Leaves out `x-amz-content-sha256`, as boto3 does. */
  readonly silentBody?: boolean;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

export const amzDateOf = (time: Date): string => time.toISOString().replace(/[-:]|\.\d+/g, '');

/** What is compared with the documents; of other services of AWS they say nothing. */
const INVOCATIONS = '/2015-03-31/functions/';

export function invocationPath(functionName: string): string {
  return `/2015-03-31/functions/${encodeURIComponent(functionName)}/invocations`;
}

/** Signs an invocation. Written from AWS's description and not from our code, so that both can be wrong separately. */
export function signed(toSign: ToSign): WireRequest {
  const { key = ACCESS_KEY, at = new Date(), region = 'us-east-1', service = 'lambda', query = '', body } = toSign;
  const path = invocationPath(toSign.functionName ?? FUNCTION_NAME);
  const amzDate = amzDateOf(at);
  const headers: Record<string, string> = { ...toSign.headers, host: toSign.host, 'x-amz-date': amzDate };
  // What a client says about its body is what it signs, true or not.
  const payloadHash = headers['x-amz-content-sha256'] ?? sha256(body);
  if (toSign.silentBody !== true) headers['x-amz-content-sha256'] = payloadHash;
  const names = Object.keys(headers).sort();
  const canonical = [
    'POST',
    path.replaceAll('%', '%25'),
    query === '' ? '' : query.split('&').sort().join('&'),
    ...names.map((name) => `${name}:${headers[name]!.trim()}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const scope = `${amzDate.slice(0, 8)}/${region}/${service}/aws4_request`;
  const signingKey = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${key.secret}`);
  const signature = hmac(signingKey, `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${sha256(canonical)}`).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${key.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return {
    method: 'POST',
    path: query === '' ? path : `${path}?${query}`,
    headers: [...Object.entries(headers).flat(), 'Authorization', authorization],
    body,
  };
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

/** Sends a request, every byte of it as given. */
export function sendRequest(port: number, { method, path, headers, body }: WireRequest): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const length = ['Content-Length', String(Buffer.byteLength(body))];
    const sending = httpRequest(
      { host: '127.0.0.1', port, method, path, headers: [...headers, ...length] as never, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          const url = `http://127.0.0.1:${port}${path}`;
          if (path.startsWith(INVOCATIONS) && URL.canParse(url)) checkAnswer(method, url, { status, text });
          resolve({ status, headers: response.headers, text });
        });
      },
    );
    sending.on('error', reject);
    sending.end(body);
  });
}
