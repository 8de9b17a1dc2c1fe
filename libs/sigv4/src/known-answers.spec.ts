import { canonicalRequest, sha256Hex, SignableRequest, signature, signingKey } from './canonical-request';

/** Examples that AWS has published: the documentation's request to IAM, and its Signature Version 4 test suite. */
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const amzDate = '20150830T123600Z';
const nothing = sha256Hex('');
const suite = { date: '20150830', region: 'us-east-1', service: 'service' };
const headers = new Map([
  ['host', 'example.amazonaws.com'],
  ['x-amz-date', amzDate],
]);

function signedBy(request: SignableRequest & { headers: ReadonlyMap<string, string> }, scope = suite): string {
  const canonical = canonicalRequest(request, [...request.headers.keys()].sort());
  return signature(canonical, amzDate, scope, signingKey(secret, scope));
}

describe('what AWS has published', () => {
  it('is the documented request to IAM, step by step', () => {
    const scope = { date: '20150830', region: 'us-east-1', service: 'iam' };
    const request = {
      method: 'GET',
      path: '/',
      query: 'Action=ListUsers&Version=2010-05-08',
      headers: new Map([
        ['content-type', 'application/x-www-form-urlencoded; charset=utf-8'],
        ['host', 'iam.amazonaws.com'],
        ['x-amz-date', amzDate],
      ]),
      payloadHash: nothing,
    };
    expect(sha256Hex(canonicalRequest(request, ['content-type', 'host', 'x-amz-date']))).toBe(
      'f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59',
    );
    expect(signingKey(secret, scope).toString('hex')).toBe(
      'c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9',
    );
    expect(signedBy(request, scope)).toBe('5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7');
  });

  it.each([
    ['get-vanilla', '', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-vanilla-empty-query-key',
      'Param1=value1',
      'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
    ],
    [
      'get-vanilla-query-order-key-case',
      'Param2=value2&Param1=value1',
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
  ])('is %s of the test suite', (_name, query, expected) => {
    expect(signedBy({ method: 'GET', path: '/', query, headers, payloadHash: nothing })).toBe(expected);
  });
});
