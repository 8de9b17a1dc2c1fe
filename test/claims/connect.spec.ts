import { ReloadableSettings } from '@hearth/config';
import { generateKeyPairSync } from 'node:crypto';
import { parseSigningKey } from '../../libs/claims/src/signing-keys';
import { CONNECT_VECTORS, type PresentedToken, VALID } from '../../libs/claims/src/testing/connect-vectors';
import { base64url, NOW, SETTINGS, signHs256, signTexts, signWith } from '../../libs/claims/src/testing/signed-tokens';
import type { TokenSettings } from '../../libs/claims/src/verify-token';
import type { GatewayUnderTest } from '../gateway/gateway-under-test';
import { startTestbed, type Testbed } from '../gateway/testbed';
import { eventually } from '../support/eventually';
import { connect, HandshakeRefused } from '../support/ws-client';
import { VectorTests } from './vectors';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const gateways = new Map<string, Promise<GatewayUnderTest>>();

/** A gateway that is configured so; one for all tests that want the same. */
function gatewayWith(settings: Partial<TokenSettings>): Promise<GatewayUnderTest> {
  const { keys, audience, issuer } = { ...SETTINGS, ...settings };
  const env: Record<string, string | undefined> = { HEARTH_TOKEN_AUDIENCE: audience, HEARTH_TOKEN_ISSUER: issuer };
  for (const { slot, method, id, key } of keys) {
    const encoded = key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'pem' });
    env[`HEARTH_SIGNING_KEY_${slot}_METHOD`] = method;
    env[`HEARTH_SIGNING_KEY_${slot}_ID`] = id;
    env[`HEARTH_SIGNING_KEY_${slot}_ENCODED`] = Buffer.from(encoded).toString('base64');
  }
  const name = JSON.stringify(env);
  const gateway = gateways.get(name) ?? testbed.anotherGateway({ reloadable: new ReloadableSettings(env) });
  gateways.set(name, gateway);
  return gateway;
}

const nowSeconds = () => Date.now() / 1_000;

/** What the clocks of this test and of a gateway, which goes by the database's, may be apart. */
const CLOCKS_APART_SECONDS = 0.05;

/** The same claims with their times as of now, as far as gateways can have noticed. */
function asOfNow(claims: object): object {
  const isTime = (name: string, value: unknown) => ['exp', 'nbf', 'iat'].includes(name) && typeof value === 'number';
  const shift = nowSeconds() - CLOCKS_APART_SECONDS - NOW;
  return Object.fromEntries(
    Object.entries(claims).map(([name, value]) => [name, isTime(name, value) ? value + shift : value]),
  );
}

/** Opens a connection and closes it. @returns `meta` of its first frame, or the refusal's status and code */
async function open(token: string, settings: Partial<TokenSettings> = {}): Promise<object> {
  try {
    const client = await connect((await gatewayWith(settings)).wsUrl, token);
    await client.close();
    return client.frames[0].meta;
  } catch (error) {
    if (!(error instanceof HandshakeRefused)) throw error;
    return { status: error.status, code: JSON.parse(error.body).error.code };
  }
}

const refused = (status: number) => ({ status, code: 'INVALID_CONNECT_TOKEN' });
const accepted = { uid: null, umd: null };

function present({ claims, header, secret, settings }: PresentedToken): Promise<object> {
  return open(signHs256(asOfNow(claims), header, secret), settings);
}

const vectors = new VectorTests('V');

describe('vectors of connect tokens: a token', () => {
  for (const [sentence, expected, token] of CONNECT_VECTORS) {
    vectors.test(sentence, async () => {
      const { uid = null, umd = null } = token.claims as { uid?: string; umd?: unknown };
      const status = Number(expected.split(' ')[0]);
      expect(await present(token)).toEqual(expected === 'ok' ? { uid, umd } : refused(status));
    });
  }

  vectors.test('V10 is accepted from nbf on, though it was refused before, and then once', async () => {
    await gatewayWith({});
    const nbf = Math.ceil(nowSeconds()) + 2;
    const token = signHs256({ exp: nbf + 60, scope: 'connect', nbf, singleUse: true, jti: 'V10' });
    expect(await open(token)).toEqual(refused(401));
    await eventually(async () => expect(await open(token)).toEqual(accepted));
    expect(nowSeconds() + CLOCKS_APART_SECONDS).toBeGreaterThanOrEqual(nbf);
    expect(await open(token)).toEqual(refused(403));
  });

  vectors.test('V11 for single use is accepted once', async () => {
    const token = signHs256(asOfNow({ ...VALID, singleUse: true, jti: 'V11' }));
    expect(await open(token)).toEqual(accepted);
    expect(await open(token)).toEqual(refused(403));
  });

  vectors.test('V13 with alg none is refused, signed or not', async () => {
    const [header, payload] = ['{"alg":"none"}', JSON.stringify(asOfNow(VALID))];
    expect(await open(`${base64url(header)}.${base64url(payload)}.`)).toEqual(refused(401));
    expect(await open(signTexts(header, payload))).toEqual(refused(401));
  });

  vectors.test('V14 of HS256 that is signed with the PEM of the RS256 slot is refused', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const encoded = Buffer.from(pem).toString('base64');
    const settings = { keys: [parseSigningKey({ slot: 1, method: 'RS256', encoded })] };
    for (const text of [pem, pem.trim()]) {
      expect(await open(signHs256(asOfNow(VALID), {}, Buffer.from(text)), settings)).toEqual(refused(401));
    }
    expect(await open(signWith('RS256', privateKey, asOfNow(VALID)), settings)).toEqual(accepted);
  });

  vectors.test('V23 with an empty uid has uid null', async () => {
    expect(await present({ claims: { ...VALID, uid: '' } })).toEqual(accepted);
  });
});

describe('the vectors of connect tokens', () => vectors.testCompleteness());
