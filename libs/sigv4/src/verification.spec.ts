import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { createHash, createHmac, Hash } from 'node:crypto';
import { SignatureError } from './signature-error';
import { SigningKeys } from './proven-keys';
import { checkSignedRequest, readSignedRequest, ReceivedHead, verifySignedRequest } from './verification';

const ID = 'AKIDEXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const NOW = new Date('2025-03-04T05:06:07Z');
const rules = { service: 'lambda', clockSkewSeconds: 300, mustSign: ['x-amz-invocation-type'] };

interface Sent {
  readonly path?: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly at?: Date;
  readonly service?: string;
  readonly region?: string;
  /** Whether there is an `x-amz-content-sha256`. */
  readonly announcesBody?: boolean;
}

/** SHA-256 as the AWS SDK wants to be given it. */
class Sha256 {
  private readonly hash: Hash;

  constructor(secret?: string | Uint8Array) {
    this.hash = secret === undefined ? createHash('sha256') : (createHmac('sha256', secret) as unknown as Hash);
  }

  update(data: string | Uint8Array): void {
    this.hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }

  reset(): void {}
}

/** A request as the AWS SDK for JavaScript signs it. */
async function signedBySdk(sent: Sent = {}): Promise<ReceivedHead & { body: string }> {
  const { path = '/a', query = {}, body = '{}', service = 'lambda', region = 'us-east-1' } = sent;
  const signer = new SignatureV4({
    service,
    region,
    credentials: { accessKeyId: ID, secretAccessKey: SECRET },
    sha256: Sha256 as never,
    applyChecksum: sent.announcesBody ?? true,
  });
  const request = {
    method: 'POST',
    protocol: 'https:',
    hostname: 'h',
    path,
    query,
    headers: { host: 'h:8080', ...sent.headers },
    body,
  };
  const { headers } = await signer.sign(request, { signingDate: sent.at ?? NOW });
  const search = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`);
  const url = search.length === 0 ? path : `${path}?${search.join('&')}`;
  return { method: 'POST', url, rawHeaders: Object.entries(headers).flat(), body };
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (it) => `%${it.charCodeAt(0).toString(16).toUpperCase()}`);

/** A request with a header changed: another value, none, or one more. */
function withHeader(head: ReceivedHead, name: string, change: (value: string) => string | undefined): ReceivedHead {
  const pairs = pairsOf(head.rawHeaders).flatMap(([key, value]) => {
    const changed = key.toLowerCase() === name ? change(value) : value;
    return changed === undefined ? [] : [[key, changed]];
  });
  return { ...head, rawHeaders: pairs.flat() };
}

function pairsOf(rawHeaders: readonly string[]): readonly (readonly [string, string])[] {
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]!] as const] : []));
}

function verify(head: ReceivedHead, body: string, secret = SECRET, keys = new SigningKeys(), now = NOW): void {
  const request = readSignedRequest(head);
  if (request.accessKeyId !== ID) throw new SignatureError('UnrecognizedClientException', 'nobody has this key');
  checkSignedRequest(request, rules, now.getTime());
  verifySignedRequest(request, Buffer.from(body), secret, keys);
}

/** The failure's name and message; `undefined` when the request is accepted. */
function failureOf(run: () => void): { failure: string; message: string } | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    return { failure: error.failure, message: error.message };
  }
}

describe('a request signed by the AWS SDK', () => {
  it('is genuine, whatever its path, query, headers and body', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const segment = text.map(encode).filter((it) => it !== '' && it !== '.' && it !== '..');
    const value = fc.string({ maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`),
        fc.dictionary(
          text.filter((it) => it !== '' && it !== '__proto__'),
          text,
          { maxKeys: 4, noNullPrototype: true },
        ),
        fc.dictionary(
          fc.stringMatching(/^x-[a-z]{1,5}$/).filter((name) => name !== 'x-amz'),
          value,
          { maxKeys: 3, noNullPrototype: true },
        ),
        text,
        async (path, query, headers, body) => {
          verify(await signedBySdk({ path, query, headers, body }), body);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is genuine with the path of an ARN, which is signed encoded twice', async () => {
    const arn = encodeURIComponent('arn:aws:lambda:eu-central-1:123456789012:function:Name:$LATEST');
    const request = await signedBySdk({
      path: `/2015-03-31/functions/${arn}/invocations`,
      query: { Qualifier: '$LATEST' },
    });
    expect(request.url).toContain('%3A');
    verify(request, request.body);
  });

  it.each(['//a//b', '/a//b/', '///'])('is genuine where %s is signed with single slashes', async (path) => {
    const request = await signedBySdk({ path });
    verify(request, request.body);
  });

  it('is genuine for any region, and for no other service', async () => {
    for (const region of ['us-east-1', 'eu-central-1', 'moon-1']) {
      const request = await signedBySdk({ region });
      verify(request, request.body);
    }
    const request = await signedBySdk({ service: 's3' });
    expect(failureOf(() => verify(request, request.body))?.failure).toBe('InvalidSignatureException');
  });

  it.each(['utf8', 'latin1'] as const)('is genuine with a header of other letters, sent in %s', async (encoding) => {
    const text = encoding === 'utf8' ? 'Équipe 👋' : 'Équipe';
    const request = await signedBySdk({ headers: { 'x-team': text } });
    // As Node reads what comes.
    verify(
      withHeader(request, 'x-team', (value) => Buffer.from(value, encoding).toString('latin1')),
      request.body,
    );
    const other = withHeader(request, 'x-team', () => Buffer.from('Equipe', encoding).toString('latin1'));
    expect(failureOf(() => verify(other, request.body))?.failure).toBe('InvalidSignatureException');
  });

  it('is genuine without x-amz-content-sha256, as boto3 sends it', async () => {
    const request = await signedBySdk({ announcesBody: false, body: '{"a":1}' });
    expect(request.rawHeaders).not.toContain('x-amz-content-sha256');
    verify(request, request.body);
    expect(failureOf(() => verify(request, '{"a":2}'))?.failure).toBe('InvalidSignatureException');
  });

  it('must announce the body that arrives, also where the announcement is not signed', async () => {
    const request = await signedBySdk({ announcesBody: false });
    const announcing = (hash: string): ReceivedHead => ({
      ...request,
      rawHeaders: [...request.rawHeaders, 'x-amz-content-sha256', hash],
    });
    verify(announcing(createHash('sha256').update(request.body).digest('hex')), request.body);
    const other = createHash('sha256').update('another body').digest('hex');
    for (const hash of [other, 'UNSIGNED-PAYLOAD', '']) {
      expect(failureOf(() => verify(announcing(hash), request.body))).toMatchObject({
        failure: 'InvalidSignatureException',
        message: expect.stringContaining('x-amz-content-sha256'),
      });
    }
  });

  it('is genuine within the window and not a second outside of it', async () => {
    for (const [seconds, accepted] of [
      [-300, true],
      [300, true],
      [-301, false],
      [301, false],
      [-86_400, false],
      [31_536_000, false],
    ] as const) {
      const request = await signedBySdk({ at: new Date(NOW.getTime() + seconds * 1000) });
      const failure = failureOf(() => verify(request, request.body));
      expect([seconds, failure?.failure]).toEqual([seconds, accepted ? undefined : 'InvalidSignatureException']);
    }
  });

  it('is not genuine with any other secret, body, path, query or method', async () => {
    const head = await signedBySdk({ body: '{"a":1}', query: { Qualifier: '$LATEST' } });
    for (const attempt of [
      () => verify(head, '{"a":1}', `${SECRET}x`),
      () => verify(head, '{"a":2}'),
      () => verify(head, ''),
      () => verify({ ...head, url: head.url!.replace('/a', '/b') }, '{"a":1}'),
      () => verify({ ...head, url: head.url!.replace('LATEST', 'OTHER') }, '{"a":1}'),
      () => verify({ ...head, url: `${head.url}&more=1` }, '{"a":1}'),
      () => verify({ ...head, method: 'PUT' }, '{"a":1}'),
    ]) {
      expect(failureOf(attempt)?.failure).toBe('InvalidSignatureException');
    }
  });

  it('is not genuine when one character of a signed header or of the signature is another', async () => {
    const head = await signedBySdk({
      headers: { 'x-amz-invocation-type': 'Event', 'x-amz-security-token': 'session' },
    });
    const names = ['host', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-invocation-type', 'x-amz-security-token'];
    fc.assert(
      fc.property(
        fc.constantFrom(...names, 'authorization'),
        fc.nat(),
        fc.constantFrom(...'0aZ%~'),
        (name, nth, other) => {
          const changed = withHeader(head, name, (value) => {
            const at = nth % value.length;
            return value[at] === other ? undefined : value.slice(0, at) + other + value.slice(at + 1);
          });
          expect(failureOf(() => verify(changed, head.body))?.failure).toMatch(
            /^(Missing|Incomplete|Unrecognized|Invalid)/,
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('Authorization', () => {
  const good = `AWS4-HMAC-SHA256 Credential=${ID}/20250304/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`;
  const rawHeaders = (authorization: string) => [
    'Host',
    'h',
    'X-Amz-Date',
    '20250304T050607Z',
    'Authorization',
    authorization,
  ];
  const read = (authorization: string) =>
    readSignedRequest({ method: 'POST', url: '/', rawHeaders: rawHeaders(authorization) });

  it.each([
    good,
    good.replaceAll(', ', ','),
    good.replaceAll(', ', ' ,  '),
    `  ${good} `,
    `AWS4-HMAC-SHA256 ${good
      .split(' ')
      .slice(1)
      .reverse()
      .map((part) => part.replace(',', ''))
      .join(', ')}`,
  ])('is understood: %s', (text) => {
    expect(read(text)).toMatchObject({
      accessKeyId: ID,
      scope: { date: '20250304', region: 'us-east-1', service: 'lambda' },
      signedHeaders: ['host', 'x-amz-date'],
      signature: '0'.repeat(64),
      signedAtMs: NOW.getTime(),
    });
  });

  it.each([
    ['Bearer key', 'must begin with AWS4-HMAC-SHA256'],
    [good.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'), 'must begin with AWS4-HMAC-SHA256'],
    ['AWS4-HMAC-SHA256', 'must consist of'],
    [good.replace(/, Signature.*/, ''), 'has no Signature'],
    [good.replace(/Signature=0+/, 'Signature='), 'Signature is empty'],
    [good.replace(/ SignedHeaders=[^,]*,/, ''), 'has no SignedHeaders'],
    [good.replace(/Credential=[^,]*, /, ''), 'has no Credential'],
    [good.replace('/aws4_request', ''), 'Credential must be'],
    [good.replace('aws4_request', 'aws3_request'), 'Credential must be'],
    [good.replace('aws4_request', 'aws4_request/x'), 'Credential must be'],
    [good.replace('/us-east-1/', '//'), 'Credential must be'],
    [good.replace(ID, ''), 'Credential must be'],
    [`${good}, Signature=1`, 'more than one Signature'],
    [`${good}, More=1`, 'must consist of'],
    [`${good},`, 'must consist of'],
    [good.replace('host;', 'Host;'), 'lower-case header names'],
    [good.replace('host;', 'host;;'), 'lower-case header names'],
    [good.replace('host;', 'host;host;'), 'names a header twice'],
  ])('is incomplete: %s', (text, message) => {
    const failure = failureOf(() => read(text));
    expect(failure?.failure).toBe('IncompleteSignatureException');
    expect(failure?.message).toContain(message);
  });

  it('is missing when there is none, and ambiguous when there are two', () => {
    expect(failureOf(() => readSignedRequest({ rawHeaders: ['Host', 'h'] }))?.failure).toBe(
      'MissingAuthenticationTokenException',
    );
    expect(failureOf(() => read(' '))?.failure).toBe('MissingAuthenticationTokenException');
    const twice = [...rawHeaders(good), 'authorization', good];
    expect(failureOf(() => readSignedRequest({ rawHeaders: twice }))?.failure).toBe('IncompleteSignatureException');
  });

  it.each(['', 'now', '20250304', '2025-03-04T05:06:07Z', '20250230T000000Z', '20250304T250607Z', '20250304T050607'])(
    'is worth nothing with x-amz-date %j',
    (date) => {
      const head = { rawHeaders: ['Host', 'h', 'X-Amz-Date', date, 'Authorization', good] };
      expect(failureOf(() => readSignedRequest(head))?.failure).toBe('IncompleteSignatureException');
    },
  );
});

describe('headers', () => {
  it('that are signed, or say when and for whom, may come once', async () => {
    const head = await signedBySdk({ headers: { 'x-amz-invocation-type': 'Event', 'x-trace': '1' } });
    for (const name of ['host', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-invocation-type', 'x-trace']) {
      const again = { ...head, rawHeaders: [...head.rawHeaders, name.toUpperCase(), '1'] };
      expect(failureOf(() => verify(again, head.body))?.message).toBe(`the header ${name} came more than once`);
    }
    // A proxy may add what nobody looks at.
    verify({ ...head, rawHeaders: [...head.rawHeaders, 'Via', 'a', 'Via', 'b', '__proto__', 'x'] }, head.body);
  });

  it('that change what happens cannot be added to a signed request', async () => {
    const head = await signedBySdk();
    const more = { ...head, rawHeaders: [...head.rawHeaders, 'X-Amz-Invocation-Type', 'DryRun'] };
    expect(failureOf(() => verify(more, head.body))?.message).toContain(
      'x-amz-invocation-type must be among the signed',
    );
  });

  it('must include a signed host', () => {
    const authorization = `AWS4-HMAC-SHA256 Credential=${ID}/20250304/r/lambda/aws4_request, SignedHeaders=x-amz-date, Signature=0`;
    const rawHeaders = ['Host', 'h', 'X-Amz-Date', '20250304T050607Z', 'Authorization', authorization];
    expect(failureOf(() => verify({ rawHeaders }, ''))?.message).toContain('host must be among the signed');
  });
});

describe('kept signing keys', () => {
  it('are those that verified a request, and only so many', async () => {
    const keys = new SigningKeys(2);
    const regions = ['r1', 'r2', 'r3'];
    for (const region of regions) {
      const request = await signedBySdk({ region });
      expect(failureOf(() => verify(request, `${request.body} `, SECRET, keys))).toBeDefined();
    }
    expect(keys.size).toBe(0);
    for (const region of [...regions, ...regions]) {
      const request = await signedBySdk({ region });
      verify(request, request.body, SECRET, keys);
    }
    expect(keys.size).toBe(2);
  });

  it('do not outlive their secret', async () => {
    const keys = new SigningKeys();
    const request = await signedBySdk();
    verify(request, request.body, SECRET, keys);
    expect(failureOf(() => verify(request, request.body, 'another', keys))?.failure).toBe('InvalidSignatureException');
  });
});
