import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Config, neededOption, optionOf } from './sdk-config';
import { ConfigurationError } from './sdk-errors';
import { Issuer } from './issuer';
import { Publisher } from './message-publisher';

type Default = string | number | boolean | undefined;

/** What Ruby calls it, what it is called here, a value, and the value when it is not set (server-sdk §2). */
const RUBY_OPTIONS: [string, keyof Config, unknown, Default][] = [
  ['publish_function_arn', 'publishFunctionArn', 'arn:aws:lambda:us-east-1:111111111111:function:Publish', undefined],
  ['aws_region', 'awsRegion', 'us-east-1', undefined],
  ['aws_access_key_id', 'awsAccessKeyId', 'AKIAIOSFODNN7EXAMPLE', undefined],
  ['aws_secret_access_key', 'awsSecretAccessKey', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', undefined],
  ['aws_assume_role_arn', 'awsAssumeRoleArn', 'arn:aws:iam::111111111111:role/MyRoleToAssume', undefined],
  ['aws_assume_role_session_name', 'awsAssumeRoleSessionName', 'my-application-name', undefined],
  ['aws_assume_role_external_id', 'awsAssumeRoleExternalId', '6f4c10321f', undefined],
  ['issuer_private_key', 'issuerPrivateKey', 'a PEM text', undefined],
  ['issuer_key_algorithm', 'issuerKeyAlgorithm', 'RS256', 'ES256'],
  ['issuer_key_id', 'issuerKeyId', '95616b70', undefined],
  ['issuer_aud_claim', 'issuerAudClaim', 'hotsock', undefined],
  ['issuer_iat_claim', 'issuerIatClaim', true, false],
  ['issuer_iss_claim', 'issuerIssClaim', 'my-application-name', undefined],
  ['issuer_jti_claim', 'issuerJtiClaim', true, false],
  ['issuer_token_ttl', 'issuerTokenTtl', 10, undefined],
];

const OUR_OPTIONS: [keyof Config, unknown, Default][] = [
  ['transport', 'http', undefined],
  ['awsSessionToken', 'a token', undefined],
  ['lambdaEndpoint', 'https://hearth.example.com', undefined],
  ['publishHttpApiUrl', 'https://hearth.example.com/publish', undefined],
  ['httpApiUrl', 'https://hearth.example.com', undefined],
  ['httpApiKey', 'a key', undefined],
  ['adminToken', 'a token', undefined],
  ['timeoutMs', 1_000, 5_000],
  ['maxRetries', 0, 2],
  ['throwOnFunctionError', false, true],
];

const ALL = [...RUBY_OPTIONS.map(([, ...option]) => option), ...OUR_OPTIONS];

describe('options (server-sdk §2)', () => {
  it.each(RUBY_OPTIONS)("has Ruby's %s as %s", (ruby, name) => {
    expect(name).toBe(ruby.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  });

  it('has no others', () => {
    expect(Object.keys(new Config()).sort()).toEqual(ALL.map(([name]) => name).sort());
  });

  it('are all in the documentation, by both names and with their default', () => {
    const page = readFileSync(join(__dirname, '../../../docs/server-sdk.md'), 'utf8');
    const rows = page.split('\n').map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
    const rubyNames = new Map(RUBY_OPTIONS.map(([ruby, name]) => [name, ruby]));
    for (const [name, , byDefault] of ALL) {
      const [, ruby, , inWords] = rows.find(([, , cell]) => cell === name) ?? [];
      expect([name, ruby]).toEqual([name, rubyNames.get(name) ?? '']);
      if (byDefault !== undefined) expect([name, inWords]).toEqual([name, `${byDefault}`]);
    }
  });

  it.each(ALL)('takes %s and has its default', (name, value, byDefault) => {
    expect(optionOf(new Config(), name)).toEqual(byDefault);
    expect(optionOf(new Config({ [name]: value }), name)).toEqual(value);
    const set = new Config();
    Object.assign(set, { [name]: value });
    expect(optionOf(set, name)).toEqual(value);
  });

  it.each([undefined, null, ''])('takes %p for not set', (nothing) => {
    for (const [name, , byDefault] of ALL) {
      expect(optionOf(Object.assign(new Config(), { [name]: nothing }), name)).toEqual(byDefault);
    }
  });

  it('takes an API key of any text', () => {
    for (const httpApiKey of ['schlüssel', '😀 ключ']) {
      expect(optionOf(new Config({ httpApiKey }), 'httpApiKey')).toBe(httpApiKey);
    }
  });

  it('says which one is needed, and what for', () => {
    const needed = () => neededOption(new Config(), 'awsRegion', 'to publish by Lambda');
    expect(needed).toThrow(new ConfigurationError('awsRegion', 'is needed to publish by Lambda'));
  });

  it.each([null, 'x', 1, true, []])('are an object, and not %p', (options) => {
    const problem = new ConfigurationError('options', 'must be an object');
    for (const Made of [Config, Publisher, Issuer]) expect(() => new Made(options as never)).toThrow(problem);
  });

  it('does not take a name that is no option', () => {
    for (const name of ['publishFunctionArm', 'aws_region', 'toString', '__proto__x', 'constructor']) {
      expect(() => new Config({ [name]: 'x' })).toThrow(new ConfigurationError(name, 'is not an option'));
    }
  });

  it.each<[keyof Config, unknown[]]>([
    ['transport', ['https', 1]],
    ['publishFunctionArn', [1, {}]],
    ['awsRegion', [1, 'us east', 'example.com/']],
    ['awsAccessKeyId', [1, 'a\nb']],
    ['awsSecretAccessKey', [1]],
    ['awsSessionToken', [1, 'ü']],
    ['lambdaEndpoint', ['localhost:8080', 'ftp://x', '/x', new URL('http://x')]],
    ['publishHttpApiUrl', ['hearth.example.com/publish', 'https://me:secret@hearth.example.com/publish']],
    ['httpApiKey', ['key\n', 'k\x7fey', 'k\u0085ey', '\ud800', 1]],
    ['timeoutMs', [0, -1, '5000', NaN, Infinity, 2 ** 31]],
    ['maxRetries', [-1, 1.5, '2', NaN, Infinity]],
    ['throwOnFunctionError', ['false', 0]],
    ['issuerPrivateKey', [1, new Uint8Array(), ['secret']]],
    ['issuerKeyAlgorithm', ['ED25519', 'es256', 'none', 1]],
    ['issuerKeyId', [1]],
    ['issuerAudClaim', [1, ['a', 1]]],
    ['issuerIatClaim', ['true', 1]],
    ['issuerIssClaim', [1]],
    ['issuerJtiClaim', ['true', 1]],
    ['issuerTokenTtl', ['10', NaN, Infinity]],
  ])('says that %s cannot be used, without showing its value', (name, values) => {
    for (const value of values) {
      const config = new Config({ [name]: value });
      expect(() => optionOf(config, name)).toThrow(ConfigurationError);
      expect(() => optionOf(config, name)).toThrow(new RegExp(`^${name} must be (?!.*secret)`));
    }
  });
});
