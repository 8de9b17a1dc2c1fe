import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { Answer, errorOf, KEY_1, KEY_2, post, rawExchange, startAll, startPublishApi } from './publish-api';

const message = { channel: 'c', event: 'e' };
let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  all = await startAll({ HEARTH_HTTP_API_KEYS: 'a third key,fourth', HEARTH_LOG_LEVEL: 'DEBUG' });
});
afterAll(() => all?.stop());

function expectRefused(answer: Answer): void {
  expect(answer.status).toBe(401);
  expect(errorOf(answer).code).toBe('UNAUTHORIZED');
  expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  expect(answer.headers.get('content-type')).toContain('application/json');
}

describe('API keys (publish-api §2, §12.1)', () => {
  it.each([
    ['the first key', { authorization: `Bearer ${KEY_1}` }],
    ['the second key', { authorization: `Bearer ${KEY_2}` }],
    ['a further key, with spaces in it', { authorization: 'Bearer a third key' }],
    ['another further key', { authorization: 'Bearer fourth' }],
    ['the scheme in lower case', { authorization: `bearer ${KEY_1}` }],
    ['the scheme in upper case', { authorization: `BEARER ${KEY_1}` }],
    ['a header named Authentication', { authentication: `Bearer ${KEY_2}` }],
  ])('accepts %s', async (_, headers) => {
    expect((await post(all.url, message, headers)).status).toBe(202);
    expect((await post(`${all.url}/batch`, [message], headers)).status).toBe(202);
  });

  it.each<[string, Record<string, string>]>([
    ['no key', {}],
    ['an unknown key', { authorization: 'Bearer nobody' }],
    ['the beginning of a key', { authorization: `Bearer ${KEY_1.slice(0, -1)}` }],
    ['a key in another case', { authorization: `Bearer ${KEY_1.toLowerCase()}` }],
    ['a key with something behind it', { authorization: `Bearer ${KEY_1}x` }],
    ['all further keys as one', { authorization: 'Bearer a third key,fourth' }],
    ['a key without its scheme', { authorization: KEY_1 }],
    ['the scheme alone', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`${KEY_1}:`).toString('base64')}` }],
    ['a wrong Authorization beside a right Authentication', { authorization: 'x', authentication: `Bearer ${KEY_1}` }],
    ['the key in the query', {}],
  ])('refuses %s', async (what, headers) => {
    const query = what.includes('query') ? `?key=${KEY_1}&token=${KEY_1}` : '';
    expectRefused(await post(`${all.url}${query}`, message, headers));
    expectRefused(await post(`${all.url}/batch${query}`, [message], headers));
  });

  it('comes before everything that could be wrong with the body', async () => {
    for (const body of ['', 'not json', '[]', '{"channel":1}', `"${'x'.repeat(300_000)}"`]) {
      expectRefused(await post(all.url, body, { authorization: 'Bearer nobody' }));
    }
  });

  it.each(['/publish', '/publish/batch'])('refuses at %s without having read a byte of the body', async (path) => {
    const head = `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer nobody\r\nContent-Length: 200000000\r\n\r\n`;
    const answer = await rawExchange(all.app.port, head, (text) => text.includes('UNAUTHORIZED'));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it('keeps keys out of the log', async () => {
    await post(all.url, message, { authorization: 'Bearer planted-wrong-key-77' });
    await post(`${all.url}?token=planted-query-55`, 'not json');
    const log = all.app.lines.join('\n');
    expect(log).toContain('Started');
    for (const secret of [KEY_1, KEY_2, 'a third key', 'planted-wrong-key-77', 'planted-query-55']) {
      expect(log).not.toContain(secret);
    }
  });
});

describe('API keys of any text (publish-api §2)', () => {
  const KEYS = ['schlüssel', 'voilà', '😀 ключ'];
  let app: AppProcess;

  beforeAll(async () => {
    app = await startPublishApi(all.nats, { HEARTH_HTTP_API_KEYS: KEYS.join() });
  });
  afterAll(() => app?.stop());

  /** The status of a publish whose credential is sent as these bytes. */
  async function statusWith(key: Buffer): Promise<number> {
    const body = JSON.stringify(message);
    const head = `POST /publish HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\nAuthorization: Bearer `;
    const sent = Buffer.concat([Buffer.from(head), key, Buffer.from(`\r\nConnection: close\r\n\r\n${body}`)]);
    const answer = await rawExchange(app.port, sent, () => false);
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
  }

  it.each(KEYS)('accepts %s in UTF-8', async (key) => {
    expect(await statusWith(Buffer.from(key))).toBe(202);
  });

  it.each(KEYS.slice(0, 2))('accepts %s in ISO 8859-1', async (key) => {
    expect(await statusWith(Buffer.from(key, 'latin1'))).toBe(202);
  });

  it.each<[string, Buffer]>([
    ['a key without its last byte', Buffer.from('voilà').subarray(0, -1)],
    ['a key with a byte of its last character twice', Buffer.from([...Buffer.from('voilà'), 0xa0])],
    ['a key in UTF-8 of its UTF-8', Buffer.from(Buffer.from('schlüssel').toString('latin1'))],
    ['bytes that are no UTF-8', Buffer.from([0x73, 0xff, 0xfe, 0x80])],
  ])('refuses %s', async (_, key) => {
    expect(await statusWith(key)).toBe(401);
  });
});

describe('changing a key (publish-api §2)', () => {
  it('takes the new key from its file without a restart, and no longer the old one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-test-keys-'));
    const file = join(folder, 'key');
    await writeFile(file, 'old-key\n');
    const app = await startPublishApi(all.nats, { HEARTH_HTTP_API_KEY_1: '', HEARTH_HTTP_API_KEY_1_FILE: file });
    const statusWith = async (key: string) =>
      (await post(`${app.httpUrl}/publish`, message, { authorization: `Bearer ${key}` })).status;
    try {
      expect([await statusWith('old-key'), await statusWith('new-key')]).toEqual([202, 401]);
      await writeFile(file, 'new-key\n');
      process.kill(app.pid, 'SIGHUP');
      await eventually(async () => {
        expect([await statusWith('old-key'), await statusWith('new-key')]).toEqual([401, 202]);
      });
      expect(await statusWith(KEY_2)).toBe(202);
      // A file that cannot be right leaves the keys in force as they are.
      await rm(file);
      process.kill(app.pid, 'SIGHUP');
      await eventually(() => expect(app.lines.join('\n')).toContain('old ones stay'));
      expect([await statusWith('new-key'), await statusWith(KEY_2)]).toEqual([202, 202]);
      for (const key of ['old-key', 'new-key']) expect(app.lines.join('\n')).not.toContain(key);
    } finally {
      await app.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('refuses everybody where no key is configured', async () => {
    const app = await startPublishApi(all.nats, { HEARTH_HTTP_API_KEY_1: '', HEARTH_HTTP_API_KEY_2: '' });
    try {
      expectRefused(await post(`${app.httpUrl}/publish`, message, { authorization: 'Bearer ' }));
      expectRefused(await post(`${app.httpUrl}/publish`, message, { authorization: 'Bearer undefined' }));
      expectRefused(await post(`${app.httpUrl}/publish`, message, {}));
    } finally {
      await app.stop();
    }
  });
});
