import { setTimeout as delay } from 'node:timers/promises';
import { ACCESS_KEY, sendRequest, signed } from '../aws/signed-request';
import { KEY_2, post, rawExchange, startAll, startPublishApi } from '../publish-api/publish-api';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';

/** What keys may publish (limits §2, §3): two processes that keep one rate, and one by itself. */

let shared: Awaited<ReturnType<typeof startAll>>;
let other: AppProcess;
let single: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  [shared, single] = await Promise.all([
    startAll({ HEARTH_LIMIT_API_KEY_MESSAGES: '100,100' }),
    startAll({
      HEARTH_LIMIT_API_KEY_MESSAGES: '0.1,50',
      HEARTH_LIMIT_AWS_KEY_MESSAGES: '0.1,1',
      HEARTH_LIMIT_API_KEY_REQUESTS: '0.1,2',
      HEARTH_LIMIT_ADDRESS_REFUSALS: '0.1,3',
      HEARTH_LIMIT_ADDRESS_REQUESTS: '0.1,20',
      // The admin port is asked from this machine.
      HEARTH_LIMIT_ADDRESS_EXEMPT: '192.0.2.0/24,127.0.0.0/8',
      HEARTH_TRUSTED_PROXIES: '127.0.0.0/8',
      HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`,
    }),
  ]);
  other = await startPublishApi(shared.nats, { HEARTH_LIMIT_API_KEY_MESSAGES: '100,100' });
});
afterAll(async () => {
  await other?.stop();
  await Promise.all([shared?.stop(), single?.stop()]);
});

const MESSAGE = { channel: 'c', event: 'e' };
const key2 = { authorization: `Bearer ${KEY_2}` };
/** Whoever is at another address, by the word of a trusted proxy. */
const at = (address: string) => ({ 'x-forwarded-for': address });

it('two processes keep the rate of a key together at twice the rate (L6)', async () => {
  // They must have heard of each other.
  await delay(1_500);
  // Who asks for less than there is gets less: a test that stood still for a second is not the limit's fault, so it asks again.
  for (let tries = 1; ; tries++) {
    const { statuses, seconds } = await askForTwice();
    const passed = statuses.filter((status) => status === 202).length;
    expect(new Set(statuses)).toEqual(new Set([202, 429]));
    expect(passed).toBeLessThan((100 * seconds + 100) * 1.1);
    const enough = (100 * seconds + 100) * 0.9;
    if (passed > enough) return;
    if (tries === 3) expect(passed).toBeGreaterThan(enough);
    // The buckets are full again.
    await delay(1_500);
  }
});

/** Asks two processes for twice the rate of the key, in turns, for 10 s. */
async function askForTwice(): Promise<{ readonly statuses: readonly number[]; readonly seconds: number }> {
  const urls = [shared.url, `${other.httpUrl}/publish`];
  const answers: Promise<number>[] = [];
  const begin = performance.now();
  const end = begin + 10_000;
  for (let now = begin; now < end; now = performance.now()) {
    while (answers.length < ((now - begin) / 1_000) * 200) {
      const url = urls[answers.length % 2] ?? '';
      answers.push(post(url, MESSAGE).then(({ status }) => status));
    }
    await delay(5);
  }
  const seconds = (performance.now() - begin) / 1_000;
  return { statuses: await Promise.all(answers), seconds };
}

it('a batch larger than the burst passes and is owed, and other keys are not concerned (L7)', async () => {
  const batch = Array.from({ length: 100 }, () => MESSAGE);
  const authorization = key2;
  const accepted = await post(`${single.url}/batch`, batch, authorization);
  expect(accepted.status).toBe(202);
  for (const [url, body] of [
    [`${single.url}/batch`, batch],
    [single.url, MESSAGE],
  ] as const) {
    const refused = await post(url, body, authorization);
    expect(refused.status).toBe(429);
    const { error } = JSON.parse(refused.text);
    expect(error).toEqual({
      code: 'RATE_LIMITED',
      message: expect.any(String),
      limit: 'apiKeyMessages',
      retryAfterMs: expect.any(Number),
    });
    // It owes 50 at one each 10 s.
    expect(error.retryAfterMs).toBeGreaterThan(400_000);
    expect(refused.headers.get('retry-after')).toBe(String(Math.ceil(error.retryAfterMs / 1_000)));
  }
  expect((await post(single.url, MESSAGE)).status).toBe(202);
});

it('documents that are wrong count', async () => {
  const own = await startPublishApi(single.nats, {
    HEARTH_LIMIT_API_KEY_MESSAGES: '0.1,1',
    HEARTH_HTTP_API_KEYS: 'another-key-of-it',
  });
  const headers = { authorization: 'Bearer another-key-of-it' };
  expect((await post(`${own.httpUrl}/publish`, '{', headers)).status).toBe(400);
  expect((await post(`${own.httpUrl}/publish`, MESSAGE, headers)).status).toBe(429);
  await own.stop();
});

it.each([['RequestResponse'], ['Event']])('an AWS key is told in the form of Lambda: %s', async (type) => {
  const { port } = single.app;
  const invoke = () =>
    sendRequest(
      port,
      signed({
        host: `127.0.0.1:${port}`,
        body: JSON.stringify(MESSAGE),
        headers: { 'x-amz-invocation-type': type, ...at('192.0.2.1') },
      }),
    );
  await invoke();
  const refused = await invoke();
  expect(refused.status).toBe(429);
  expect(refused.headers['x-amzn-errortype']).toBe('TooManyRequestsException');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  expect(JSON.parse(refused.text)).toEqual({
    Type: 'User',
    Reason: 'CallerRateLimitExceeded',
    message: expect.any(String),
  });
});

it('other calls of a key have a rate of their own', async () => {
  const ask = () => post(`${single.app.httpUrl}/disconnect`, {}, key2);
  const limits: unknown[] = [];
  for (let n = 0; n < 3; n++)
    limits.push((JSON.parse((await ask()).text) as { error: { limit?: string } }).error.limit);
  expect(limits).toEqual([undefined, undefined, 'apiKeyRequests']);
});

it('wrong keys of an address are not looked at past their rate, at either door', async () => {
  const address = at('203.0.113.7');
  const wrong = () => post(single.url, MESSAGE, { authorization: 'Bearer wrong', ...address });
  expect((await wrong()).status).toBe(401);
  expect((await wrong()).status).toBe(401);
  const { port } = single.app;
  const invoke = (key: { id: string; secret: string }) =>
    sendRequest(port, signed({ host: `127.0.0.1:${port}`, body: JSON.stringify(MESSAGE), headers: address, key }));
  expect((await invoke({ ...ACCESS_KEY, secret: 'x' })).status).toBe(403);
  const refused = await wrong();
  expect([refused.status, JSON.parse(refused.text).error.limit]).toEqual([429, 'addressRefusals']);
  const signedRight = await invoke(ACCESS_KEY);
  expect([signedRight.status, signedRight.headers['x-amzn-errortype']]).toEqual([429, 'TooManyRequestsException']);
  expect((await post(single.url, MESSAGE, { authorization: 'Bearer wrong', ...at('203.0.113.8') })).status).toBe(401);
});

describe('requests of an address', () => {
  /** How many had to wait, or were refused. */
  const limited = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${single.app.adminPort}/metrics`)).text();
    const counts = text.matchAll(/^hearth_limited_total\{limit="addressRequests",answer="\w+"\} (\d+)/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  it('with a good key do not count', async () => {
    const before = await limited();
    for (let n = 0; n < 40; n++) {
      // In a chunk, so that it is no plain request.
      const body = new Blob([JSON.stringify(MESSAGE)]).stream();
      const answer = await fetch(single.url, {
        ...{ method: 'POST', body, duplex: 'half', headers: { ...key2, ...at('203.0.113.50') } },
      });
      expect([202, 429]).toContain(answer.status);
    }
    expect(await limited()).toBe(before);
    // Others of the same address do.
    const asking = new AbortController();
    const ask = () => fetch(single.app.httpUrl, { headers: at('203.0.113.50'), signal: asking.signal });
    const others = Array.from({ length: 25 }, () => ask().catch(() => undefined));
    await eventually(async () => expect(await limited()).toBeGreaterThan(before));
    asking.abort();
    await Promise.all(others);
  });

  it('with a wrong one have a rate, also plain ones that do not wait for their answers', async () => {
    const headers = ['Host: x', 'X-Forwarded-For: 203.0.113.51', 'Authorization: Bearer wrong', 'Content-Length: 2'];
    const request = `POST /publish HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n{}`;
    const answers = await rawExchange(Number(new URL(single.url).port), request.repeat(100), () => false);
    const count = answers.split('HTTP/1.1 4').length - 1;
    // Then its connection is ended, because the next would wait for too long, and what was not sent of answers with it.
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(20 + 16 + 2);
  });

  it('with a wrong one have it over all connections: the first of each counts', async () => {
    const headers = ['Host: x', 'X-Forwarded-For: 203.0.113.52', 'Authorization: Bearer wrong', 'Content-Length: 2'];
    const request = `POST /publish HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n{}`;
    const ask = () => rawExchange(Number(new URL(single.url).port), request, (text) => text.endsWith('}}'));
    const before = await limited();
    let answer = '';
    for (let n = 0; n < 20; n++) answer = await ask();
    expect(answer).toContain('"limit":"addressRefusals"');
    expect(await limited()).toBe(before);
    // One has its turn in some seconds, the next would wait for too long.
    void ask();
    await eventually(async () => expect(await limited()).toBe(before + 1));
    const refused = await ask();
    expect(refused).toMatch(/^HTTP\/1.1 429 /);
    expect(refused).toContain('"limit":"addressRequests"');
    expect(refused).toContain('Connection: close');
  });
});
