import { idTimeMs } from '@hearth/protocol';
import { createHash, createHmac } from 'node:crypto';
import { Client, Testbed } from '../support/installation';
import { amzDateOf, sendRequest, signed, ACCESS_KEY } from '../aws/signed-request';
import type { Frame } from '../support/ws-client';

const ARN = /^arn:aws:scheduler:eu-west-1:123456789012:schedule\/my-group\/[0-9A-Z]{26}$/;
const NEVER = '01J9ZK3V7Q8W2X5Y6ABCD00000';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_AWS_REGION: 'eu-west-1',
    HEARTH_AWS_ACCOUNT_ID: '123456789012',
    HEARTH_SCHEDULE_GROUP: 'my-group',
    HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`,
  });
});
afterAll(() => testbed?.stop());

const textOf = (ms: number): string => `at(${new Date(ms).toISOString().slice(0, 19)})`;

/** A whole second that is between two and three seconds ahead, and how to ask for it. */
function soon(): { dueMs: number; scheduleExpression: string } {
  const dueMs = Math.ceil(Date.now() / 1_000 + 2) * 1_000;
  return { dueMs, scheduleExpression: textOf(dueMs) };
}

const TOMORROW = textOf(Date.now() + 86_400_000);

async function watcher(channel: string): Promise<Client> {
  const client = await testbed.connect(
    { channels: { '*': { subscribe: true, historyStart: 0 } } },
    testbed.gateways[1],
  );
  await client.subscribe(channel);
  return client;
}

/** Not before its time, and within a second after it, by the time in the id that the sequencer gave. */
function expectOnTime({ id }: Frame, dueMs: number): void {
  expect(idTimeMs(id as string)).toBeGreaterThan(dueMs);
  expect(idTimeMs(id as string)).toBeLessThanOrEqual(dueMs + 1_000);
}

/** All messages of a channel that have come, once nothing more can come that was accepted before. */
async function received(client: Client, channel: string): Promise<Frame[]> {
  await testbed.publish({ channel, event: 'mark' });
  await client.ws.next((frame) => frame.event === 'mark' && frame.channel === channel);
  return client.ws.frames.filter(({ id, event }) => id !== undefined && event !== 'mark');
}

describe('a scheduled message of a backend', () => {
  it('comes once, when it is due, kept from then on', async () => {
    const channel = 'backend';
    const client = await watcher(channel);
    const { dueMs, scheduleExpression } = soon();
    const document = { channel, event: 'e', data: { n: 1 }, store: 60, scheduleExpression };
    const { status, json } = await testbed.publishOne(document);
    expect([status, json]).toEqual([202, { channel, event: 'e', scheduleArn: expect.stringMatching(ARN) }]);
    expect(await received(client, channel)).toEqual([]);
    const frame = await client.ws.next('e');
    expectOnTime(frame, dueMs);
    expect(frame).toEqual({ id: frame.id, event: 'e', channel, data: { n: 1 } });
    expect(await received(client, channel)).toEqual([frame]);
    expect((await client.list({ channel })).map(({ id }) => id as string)).toEqual([frame.id]);
    expect((await testbed.cancel(encodeURIComponent(json.scheduleArn as string))).status).toBe(404);
  });

  it('is promised an id of the instant of its delivery', async () => {
    const channel = 'eager';
    const client = await watcher(channel);
    const { dueMs, scheduleExpression } = soon();
    const { json } = await testbed.publishOne({ channel, event: 'e', eagerIdGeneration: true, scheduleExpression });
    expect(idTimeMs(json.id as string)).toBe(dueMs);
    expect((await client.ws.next('e')).id).toBe(json.id);
    const [, later] = await received(client, channel).then(async () => {
      await testbed.publish({ channel, event: 'later' });
      return [undefined, await client.ws.next('later')] as const;
    });
    expect(later.id > json.id).toBe(true);
  });

  it('is deduplicated at delivery, also in a batch', async () => {
    const channel = 'dedup';
    const client = await watcher(channel);
    const { scheduleExpression } = soon();
    const document = { channel, event: 'e', deduplicationId: 'd-schedule' };
    const answer = await testbed.publishBatch([
      { ...document, data: 'a', scheduleExpression },
      { ...document, data: 'b', scheduleExpression },
      { ...document, data: 'now' },
      { channel, event: 'last', scheduleExpression },
    ]);
    expect(answer.json.map(({ scheduleArn }: Frame) => scheduleArn !== undefined)).toEqual([true, true, false, true]);
    await client.ws.next('last');
    expect((await received(client, channel)).map(({ data }) => data as unknown)).toEqual(['now', null]);
  });

  it('comes by an invocation of an AWS SDK too', async () => {
    const channel = 'lambda';
    const client = await watcher(channel);
    const { dueMs, scheduleExpression } = soon();
    const { port } = testbed.apps.find(({ name }) => name === 'publish-api')!;
    const host = `127.0.0.1:${port}`;
    const local = new Date(dueMs + 9 * 3_600_000).toISOString().slice(0, 19);
    expect(scheduleExpression).not.toContain(local);
    const body = JSON.stringify({
      ...{ channel, event: 'e', scheduleExpression: `at(${local})`, scheduleExpressionTimezone: 'Asia/Tokyo' },
    });
    const answer = await sendRequest(port, signed({ host, body }));
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ scheduleArn: expect.stringMatching(ARN) });
    expectOnTime(await client.ws.next('e'), dueMs);
  });

  it('fires after a restart of its sequencer that was away when it was due', async () => {
    const channel = 'restart';
    const client = await watcher(channel);
    const { dueMs, scheduleExpression } = soon();
    await testbed.publishOne({ channel, event: 'e', scheduleExpression });
    const index = testbed.apps.findIndex(({ name }) => name === 'sequencer');
    const [sequencer] = testbed.apps.splice(index, 1);
    await sequencer!.stop();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - Date.now()) + 100));
    await testbed.add('sequencer');
    const frame = await client.ws.next('e');
    expect(idTimeMs(frame.id as string)).toBeGreaterThan(dueMs);
    expect(await received(client, channel)).toEqual([frame]);
  });
});

describe('a scheduled message of a client', () => {
  const claims = (channel: string, message: object) => ({
    uid: 'u1',
    channels: { [channel]: { subscribe: true, messages: { e: { publish: true, ...message } } } },
  });
  const inSeconds = (seconds: number): number => Math.ceil(Date.now() / 1_000) + seconds;

  it('comes as from its sender, over a socket and over HTTP', async () => {
    const channel = 'client';
    const other = await watcher(channel);
    const client = await testbed.connect(claims(channel, { scheduleBefore: inSeconds(60), store: 60 }));
    await client.subscribe(channel);
    const { dueMs, scheduleExpression } = soon();
    client.ws.send({ event: 'e', channel, data: 'socket', scheduleExpression, ref: 'r' });
    await client.ws.next('hotsock.published');
    const answer = await client.call('publishMessage', { channel, event: 'e', data: 'http', scheduleExpression });
    expect([answer.status, answer.json]).toEqual([
      202,
      { id: null, event: 'e', channel, scheduleArn: expect.stringMatching(ARN) },
    ]);
    const frames = [await other.ws.next('e'), await other.ws.next('e')];
    for (const frame of frames) expectOnTime(frame, dueMs);
    expect(frames.map(({ data, meta }) => [data, meta])).toEqual([
      ['socket', { uid: 'u1', umd: null }],
      ['http', { uid: 'u1', umd: null }],
    ]);
    expect(client.ws.frames.map(({ event }) => event)).not.toContain('e');
    expect(await other.list({ channel })).toHaveLength(2);
  });

  /** Beside the vectors P15 and P16 (`test/claims`). */
  it.each<[string, (nowSeconds: number) => object, number, string | undefined]>([
    ['at the very instant', (now) => ({ scheduleBefore: now + 60 }), 60, undefined],
    ['a past one', (now) => ({ scheduleBefore: now - 60 }), 30, 'SCHEDULE_PERMISSION_DENIED'],
    ['publish not granted', () => ({ publish: false }), 30, 'PUBLISH_PERMISSION_DENIED'],
  ])('needs scheduleBefore: %s', async (_, message, seconds, code) => {
    const channel = 'rights';
    const now = inSeconds(0);
    const client = await testbed.connect(claims(channel, message(now)));
    await client.subscribe(channel);
    const request = { channel, event: 'e', scheduleExpression: textOf((now + seconds) * 1_000) };
    const answer = await client.call('publishMessage', request);
    expect([answer.status, answer.json.error?.code]).toEqual(code === undefined ? [202, undefined] : [403, code]);
    client.ws.send(request);
    client.ws.send({ event: 'hotsock.ping' });
    await client.ws.next('hotsock.pong');
    const errors = client.ws.frames.filter(({ event }) => event === 'hotsock.error');
    expect(errors.map(({ error, channel: echoed }) => [error.code, echoed])).toEqual(
      code === undefined ? [] : [[code, channel]],
    );
  });
});

describe('DELETE /schedules/{name}', () => {
  async function scheduled(channel: string, scheduleExpression: string): Promise<string> {
    return (await testbed.publishOne({ channel, event: 'e', scheduleExpression })).json.scheduleArn as string;
  }
  const nameOf = (arn: string): string => arn.split('/').at(-1) ?? '';

  it('cancels by name or ARN, once', async () => {
    const channel = 'cancel';
    const client = await watcher(channel);
    const { dueMs, scheduleExpression } = soon();
    const [kept, byName, byArn] = [
      await scheduled(channel, scheduleExpression),
      await scheduled(channel, scheduleExpression),
      await scheduled(channel, scheduleExpression),
    ];
    for (const name of [nameOf(byName), encodeURIComponent(byArn)]) {
      const answer = await testbed.cancel(name);
      expect([answer.status, answer.text]).toEqual([204, '']);
      const again = await testbed.cancel(name);
      expect([again.status, again.json.error.code]).toEqual([404, 'NOT_FOUND']);
    }
    expectOnTime(await client.ws.next('e'), dueMs);
    expect(await received(client, channel)).toHaveLength(1);
    expect((await testbed.cancel(nameOf(kept))).status).toBe(404);
  });

  it.each([NEVER, 'nonsense', 'arn%3Aaws', '01J9ZK3V7Q8W2X5Y6ABCDEFZZZ'])('knows no %s', async (name) => {
    const answer = await testbed.cancel(name);
    expect([answer.status, answer.json.error.code]).toEqual([404, 'NOT_FOUND']);
  });

  it('needs an API key', async () => {
    const arn = await scheduled('key', TOMORROW);
    for (const headers of [{}, { authorization: 'Bearer wrong' }] as Record<string, string>[]) {
      const answer = await testbed.cancel(nameOf(arn), headers);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    }
    expect((await testbed.cancel(nameOf(arn))).status).toBe(204);
  });

  it('answers as EventBridge Scheduler to requests that are signed for it', async () => {
    const name = nameOf(await scheduled('aws', TOMORROW));
    const group = '?clientToken=t&groupName=my-group';
    expect(await deleteSigned(`/schedules/${name}`, 'groupName=other')).toMatchObject({
      status: 404,
      type: 'ResourceNotFoundException',
    });
    expect(await deleteSigned(`/schedules/${name}`, group.slice(1), 'lambda')).toMatchObject({
      status: 403,
      type: 'InvalidSignatureException',
    });
    expect(await deleteSigned(`/schedules/${name}`, group.slice(1))).toEqual({ status: 200, text: '{}' });
    expect(await deleteSigned(`/schedules/${name}`, group.slice(1))).toEqual({
      status: 404,
      type: 'ResourceNotFoundException',
      text: JSON.stringify({ Message: `Schedule ${name} does not exist.` }),
    });
  });
});

/** `DeleteSchedule` as an SDK sends it: signed by hand, from AWS's description. */
async function deleteSigned(path: string, query: string, service = 'scheduler') {
  const { port } = testbed.apps.find(({ name }) => name === 'publish-api')!;
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
  const [host, date] = [`127.0.0.1:${port}`, amzDateOf(new Date())];
  const head = ['DELETE', path, query, `host:${host}`, `x-amz-date:${date}`, '', 'host;x-amz-date', sha256('')];
  const scope = `${date.slice(0, 8)}/eu-west-1/${service}/aws4_request`;
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${ACCESS_KEY.secret}`);
  const text = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(head.join('\n'))}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY.id}/${scope}, SignedHeaders=host;x-amz-date, Signature=${hmac(key, text).toString('hex')}`;
  const response = await fetch(`http://${host}${path}?${query}`, {
    method: 'DELETE',
    headers: { 'x-amz-date': date, authorization },
  });
  const type = response.headers.get('x-amzn-errortype') ?? undefined;
  return { status: response.status, ...(type === undefined ? {} : { type }), text: await response.text() };
}
