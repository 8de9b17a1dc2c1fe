import { eventually } from '../support/eventually';
import { EVERYTHING, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** What the client HTTP API asks the gateway that owns a connection (client-http-api §1, §3.1, §4). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const message = {
  operation: 'publishMessage',
  event: 'e',
  data: '{"n":12345678901234567890}',
  eagerIdGeneration: false,
} as const;

describe('listMessages: the visibility window', () => {
  const list = (channel: string) => ({ operation: 'listMessages', channel }) as const;

  it('begins with the subscription', async () => {
    const client = await testbed.gateway.connect(EVERYTHING);
    const before = Date.now();
    await subscribe(client, 'a');
    const answer = (await testbed.gateway.call(client, list('a'))) as { sinceMs: number };
    expect(answer).toEqual({ operation: 'listMessages', channel: 'a', sinceMs: expect.any(Number) });
    expect(answer.sinceMs).toBeGreaterThanOrEqual(before);
    expect(answer.sinceMs).toBeLessThanOrEqual(Date.now());
    client.send({ event: 'hotsock.unsubscribe', channel: 'a' });
    await client.next('hotsock.unsubscribed');
    await expect(testbed.gateway.call(client, list('a'))).rejects.toMatchObject({ code: 'NOT_SUBSCRIBED' });
    await client.close();
  });

  it('begins earlier with historyStart, with or without a subscription, and takes an alias', async () => {
    const channels = {
      a: { historyStart: 0 },
      b: { historyStart: 12.5, subscribe: true, alias: 'bee' },
      c: { subscribe: true, historyStart: 4e9 },
    };
    const client = await testbed.gateway.connect({ channels });
    expect(await testbed.gateway.call(client, list('a'))).toMatchObject({ channel: 'a', sinceMs: 0 });
    await subscribe(client, 'b');
    expect(await testbed.gateway.call(client, list('bee'))).toMatchObject({ channel: 'b', sinceMs: 12_500 });
    await subscribe(client, 'c');
    const { sinceMs } = (await testbed.gateway.call(client, list('c'))) as { sinceMs: number };
    expect(sinceMs).toBeLessThanOrEqual(Date.now());
    await client.close();
  });
});

describe('publishMessage', () => {
  it('publishes as the connection and leaves its socket out without echo', async () => {
    const channels = {
      a: { subscribe: true, messages: { e: { publish: true }, copy: { publish: true, echo: true } } },
    };
    const [one, two] = await Promise.all([
      testbed.gateway.connect({ uid: 'u1', channels }),
      testbed.gateway.connect(EVERYTHING),
    ]);
    await expect(testbed.gateway.call(one, { ...message, channel: 'a' })).rejects.toMatchObject({
      code: 'NOT_SUBSCRIBED',
    });
    await Promise.all([subscribe(one, 'a'), subscribe(two, 'a')]);
    expect(await testbed.gateway.call(one, { ...message, channel: 'a' })).toEqual({
      operation: 'publishMessage',
      channel: 'a',
      id: null,
    });
    await testbed.gateway.call(one, { ...message, channel: 'a', event: 'copy' });
    await two.next('e');
    expect(two.texts.find((text) => text.includes('"event":"e"'))).toContain(
      '"data":{"n":12345678901234567890},"meta":{"uid":"u1","umd":null}}',
    );
    await one.next('copy');
    expect(one.frames.some((frame) => frame.event === 'e')).toBe(false);
    await Promise.all([one.close(), two.close()]);
  });

  it('promises ids that ascend when asked to', async () => {
    const client = await testbed.gateway.connect({ channels: { a: { messages: { e: { broadcast: true } } } } });
    const eager = { ...message, channel: 'a', eagerIdGeneration: true };
    const answers = (await Promise.all(Array.from({ length: 20 }, () => testbed.gateway.call(client, eager)))) as {
      id: string;
    }[];
    const ids = answers.map(({ id }) => id);
    expect(ids[0]).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(new Set(ids).size).toBe(20);
    await client.close();
  });

  it('refuses what the claims do not grant', async () => {
    const client = await testbed.gateway.connect();
    await expect(testbed.gateway.call(client, { ...message, channel: 'a' })).rejects.toMatchObject({
      code: 'PUBLISH_PERMISSION_DENIED',
    });
    await client.close();
  });
});

describe('credentials', () => {
  const request = { operation: 'listMessages', channel: 'a' } as const;

  it('work as soon as hotsock.connected is there, and no longer than the connection', async () => {
    const client = await testbed.gateway.connect({ channels: { a: { historyStart: 0 } } });
    await testbed.gateway.call(client, request);
    await client.close();
    await eventually(() =>
      expect(testbed.gateway.call(client, request)).rejects.toMatchObject({ code: 'UNAUTHORIZED' }),
    );
  });

  it.each(['', 'short', 'x'.repeat(20), 'é'.repeat(20)])('are refused with the secret "%s"', async (secret) => {
    const client = await testbed.gateway.connect({ channels: { a: { historyStart: 0 } } });
    await expect(testbed.gateway.call(client, request, secret)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await client.close();
  });

  it('find their gateway among several', async () => {
    const other = await testbed.anotherGateway();
    const client = await other.connect({ channels: { a: { historyStart: 0 } } });
    expect(await testbed.gateway.call(client, request)).toMatchObject({ channel: 'a' });
    await other.stop();
    await expect(testbed.gateway.call(client, request)).resolves.toBeUndefined();
  });

  it('are not mistaken when the request is one that this gateway does not know', async () => {
    const client = await testbed.gateway.connect();
    await expect(testbed.gateway.call(client, { operation: 'later' } as never)).rejects.toMatchObject({
      code: 'NOT_IMPLEMENTED',
    });
    await client.close();
  });
});
