import { Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';
import { ADMIN_TOKEN, Manager } from './manager';

/** What `/revocations` lists, and what it refuses (management-api §4). */
let testbed: Testbed;
let manager: Manager;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_ADMIN_TOKEN: ADMIN_TOKEN });
  manager = new Manager(testbed);
});
afterAll(() => testbed?.stop());

describe('GET /revocations', () => {
  it.each(['%00', 'nope', '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ'])('knows none with the id %s', async (id) => {
    for (const method of ['GET', 'DELETE']) {
      const { status, json } = await manager.call(method, `/revocations/${id}`);
      expect([status, json.error.code]).toEqual([404, 'NOT_FOUND']);
    }
  });

  it('has each once, in pages, and finds by what is revoked', async () => {
    const ids: string[] = [];
    for (const body of [{ jti: 'g' }, { uid: 'g' }, { kid: 'g' }]) ids.push((await manager.revoke(body)).id);
    const all = (await manager.pages('/revocations', 'revocations', 2)).map(({ id }) => id as string);
    expect(all).toEqual([...all].sort());
    expect(new Set(all).size).toBe(all.length);
    for (const id of ids) expect(all).toContain(id);
    for (const [index, name] of ['jti', 'uid', 'kid'].entries()) {
      const { revocations, next } = (await manager.get(`/revocations?${name}=g`)).json;
      expect([revocations.map(({ id }: Frame) => id), next]).toEqual([[ids[index]], null]);
    }
    expect((await manager.get('/revocations?jti=g&uid=g')).json.revocations).toEqual([]);
    expect((await manager.get('/revocations?user=g')).json.error.code).toBe('UNKNOWN_FIELD');
    expect((await manager.get('/revocations/x')).status).toBe(404);
    expect((await manager.get(`/revocations/${ids[0]}?x=y`)).status).toBe(400);
  });
});

describe('a request that says not exactly what', () => {
  it.each<[object, string, string]>([
    [{}, 'MISSING_FIELD', 'jti'],
    [{ jti: 'a', uid: 'b' }, 'INVALID_SELECTOR', 'uid'],
    [{ jti: 'a', kid: 'b' }, 'INVALID_SELECTOR', 'kid'],
    [{ jti: 'a', issuedBefore: 1 }, 'INVALID_SELECTOR', 'issuedBefore'],
    [{ user: 'a', uid: 'b' }, 'UNKNOWN_FIELD', 'user'],
    [{ uid: 7 }, 'INVALID_TYPE', 'uid'],
    [{ uid: 'a\ud800' }, 'INVALID_TYPE', 'uid'],
    [{ uid: 'a\u0000' }, 'INVALID_TYPE', 'uid'],
    [{ uid: 'a', issuedBefore: 'soon' }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', issuedBefore: '2026-01-01T00:00:00+01:00' }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', issuedBefore: '2026-02-30T00:00:00Z' }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', issuedBefore: '2026-01-01T24:00:00Z' }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', issuedBefore: 4e9 }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', issuedBefore: -1 }, 'INVALID_TYPE', 'issuedBefore'],
    [{ uid: 'a', keepFor: 0 }, 'INVALID_TYPE', 'keepFor'],
    [{ uid: 'a', keepFor: -2 }, 'INVALID_TYPE', 'keepFor'],
    [{ uid: 'a', keepFor: 1.5 }, 'INVALID_TYPE', 'keepFor'],
    [{ uid: 'a', reason: 'x'.repeat(101) }, 'INVALID_TYPE', 'reason'],
    [{ uid: 'a', reason: 'a\u0000b' }, 'INVALID_TYPE', 'reason'],
    [[], 'MALFORMED_MESSAGE', 'body'],
  ])('%j is refused: %s', async (body, code, name) => {
    const { status, json } = await manager.post('/revocations', body);
    expect([status, json.error.code]).toEqual([400, code]);
    expect(json.error.message).toContain(name);
  });

  it.each([
    ['/revocations', '{"uid":"a","uid":"b"}', 'uid'],
    ['/revocations', '{"uid":"a","issuedBefore":1,"issuedBefore":2}', 'issuedBefore'],
    ['/revocations', '{"jti":"a", "j\\u0074i":"a"}', 'jti'],
    ['/disconnect', '{"uid":"a","reason":{"uid":1},"uid":"b"}', 'uid'],
    ['/unsubscribe', '{"channel":"c","uid":"a","channel":"d"}', 'channel'],
    ['/dead-letters/retry', '{"target":"a","target":"b"}', 'target'],
  ])('%s %s is refused: it names two', async (path, body, name) => {
    const { status, json } = await manager.post(path, body);
    expect([status, json.error.code]).toEqual([400, 'INVALID_TYPE']);
    expect(json.error.message).toBe(`${name} may be given once only`);
    expect((await manager.get('/revocations?uid=b')).json.revocations).toEqual([]);
  });

  it('or comes from nobody in particular, does nothing', async () => {
    const { id } = await manager.revoke({ jti: 'nobody' });
    for (const token of ['', 'wrong']) {
      expect((await manager.as(token).post('/revocations', { uid: 'safe' })).status).toBe(401);
      expect((await manager.as(token).get('/revocations')).status).toBe(401);
      expect((await manager.as(token).call('DELETE', `/revocations/${id}`)).status).toBe(401);
    }
    expect((await manager.get('/revocations?uid=safe')).json.revocations).toEqual([]);
    expect((await manager.get(`/revocations/${id}`)).status).toBe(200);
  });
});
