import { createHmac } from 'node:crypto';
import { configure, issueToken, publishMessage } from './defaults';
import { ArgumentError, ConfigurationError } from './sdk-errors';

/** Claims of a token whose signature fits the secret. */
function claimsOf(token: string, secret: string): unknown {
  const [header, payload, signature] = token.split('.');
  expect(signature).toBe(createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url'));
  return JSON.parse(Buffer.from(payload!, 'base64url').toString());
}

describe('the process-wide configuration (server-sdk §1)', () => {
  it('is empty at first', async () => {
    expect(() => issueToken()).toThrow(ConfigurationError);
    await expect(publishMessage({ channel: 'c', event: 'e' })).rejects.toThrow(
      'publishFunctionArn is needed to publish, or publishHttpApiUrl and httpApiKey',
    );
  });

  it('is set by a function or by options, which add up, and used from the next call on', () => {
    configure((config) => {
      config.issuerPrivateKey = 'one';
      config.issuerKeyAlgorithm = 'HS256';
    });
    expect(claimsOf(issueToken({ foo: 'bar' }), 'one')).toEqual({ foo: 'bar' });
    configure({ issuerIssClaim: 'me' });
    expect(claimsOf(issueToken(), 'one')).toEqual({ iss: 'me' });
    configure({ issuerPrivateKey: 'two', issuerIssClaim: undefined });
    expect(claimsOf(issueToken(), 'two')).toEqual({ iss: 'me' });
    configure((config) => (config.issuerIssClaim = undefined));
    expect(claimsOf(issueToken(), 'two')).toEqual({});
  });

  it('stays as it was when a name is no option or the function fails', () => {
    expect(() => configure({ issuerIssClaim: 'you', issuerIss: 'you' } as never)).toThrow('issuerIss is not an option');
    const misspelt = (config: object) => Object.assign(config, { issuerIssClaim: 'you', awsRegoin: 'x' });
    expect(() => configure(misspelt)).toThrow('awsRegoin is not an option');
    const failing = (config: object) => {
      Object.assign(config, { issuerIssClaim: 'you' });
      throw new Error('no such file');
    };
    expect(() => configure(failing)).toThrow('no such file');
    expect(claimsOf(issueToken(), 'two')).toEqual({});
  });

  it.each([undefined, null, 'x', 1, []])('stays as it was when it is given %p', (change) => {
    expect(() => configure(change as never)).toThrow(new ConfigurationError('options', 'must be an object'));
    expect(claimsOf(issueToken(), 'two')).toEqual({});
  });

  it('needs no settings of the issuer to publish, nor the other way round', async () => {
    configure({ issuerPrivateKey: '', publishFunctionArn: 'Publish', awsRegion: 3 as never });
    await expect(publishMessage({ channel: 'c' } as never)).rejects.toThrow(ArgumentError);
    await expect(publishMessage({ channel: 'c', event: 'e' })).rejects.toThrow('awsRegion must be an AWS region');
    configure({ issuerPrivateKey: 'three' });
    expect(claimsOf(issueToken(), 'three')).toEqual({});
  });
});
