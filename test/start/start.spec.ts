import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { descendantsOf, Installation, shell } from './hearth-process';
import { connectAsPrinted, lookBackAsPrinted, publishAsPrinted } from './printed-commands';
import { signToken } from '../support/tokens';
import { connect, type WsClient } from '../support/ws-client';

let installation: Installation;
beforeEach(() => (installation = new Installation()));
afterEach(() => installation.remove());

/** Not what a signature may have between two of its dashes. */
const secretsIn = (text: string): string[] => text.match(/(?<![\w.-])[A-Za-z0-9]{40}(?![\w.-])/g) ?? [];

/** Does with a connection whatever the console has a button or an operation for, but what wants another token. */
async function usesConsole(client: WsClient, url: string): Promise<void> {
  const channel = 'my-channel';
  const meta = { uid: 'you', umd: null };
  client.send({ channel, event: 'hello', data: 'it is me' });
  const { id: messageId, ...hello } = await client.next('hello');
  expect(hello).toMatchObject({ data: 'it is me', meta });
  const frames: [request: object, event: string, answer: object][] = [
    [{ event: 'hotsock.unsubscribe' }, 'hotsock.unsubscribed', { channel }],
    [{ event: 'hotsock.subscribe' }, 'hotsock.subscribed', { channel, meta }],
    [{ event: 'hotsock.channelStorageSet', key: 'k', data: 1 }, 'hotsock.channelStorageUpdated', { data: 1, meta }],
    [{ event: 'hotsock.channelStorageGet', key: 'k' }, 'hotsock.channelStorageData', { data: 1, meta }],
    ...['add', 'remove', 'add'].map((action): (typeof frames)[number] => [
      { event: 'hotsock.messageReaction', data: { messageId, reaction: '👍', action } },
      `hotsock.messageReaction${action === 'add' ? 'Added' : 'Removed'}`,
      { data: { messageId, reaction: '👍', action }, meta },
    ]),
    [{ event: 'hotsock.ping' }, 'hotsock.pong', {}],
  ];
  // Nothing answers it but a refusal.
  client.send({ event: 'hotsock.heartbeat' });
  for (const [request, event, answer] of frames) {
    client.send({ channel, ...request });
    const frame = await client.next((one) => one.event === event || one.event === 'hotsock.error');
    expect(frame).toMatchObject({ event, ...answer });
  }
  const { connectionId, connectionSecret } = (await client.connected()).data;
  const query = String(new URLSearchParams({ connectionId, connectionSecret }));
  const operations: [operation: string, body: object, answer: object][] = [
    ['publishMessage', { event: 'by-http' }, { channel, event: 'by-http' }],
    ['channelStorageSet', { key: 'k', data: 2 }, { channel }],
    ['channelStorageGet', { key: 'k' }, { key: 'k', meta }],
    ['channelStorageList', {}, { items: [{ key: 'k', meta }] }],
    ['listReactions', { messageId }, { reactions: [{ reaction: '👍', uid: 'you' }] }],
    ['getChannelInfo', {}, { channel }],
    ['listMessages', {}, { messages: expect.arrayContaining([expect.objectContaining({ event: 'hello' })]) }],
  ];
  for (const [operation, body, answer] of operations) {
    const request = { method: 'POST', body: JSON.stringify({ channel, ...body }) };
    const response = await fetch(`${url}connection/${operation}?${query}`, request);
    expect([operation, await response.json()]).toMatchObject([operation, answer]);
  }
}

describe('the all-in-one, started with nothing but a folder and ports', () => {
  it('prints three commands that work as they are', async () => {
    const hearth = await installation.start();
    expect(hearth.commands).toHaveLength(3);
    const client = await connectAsPrinted(hearth);
    await client.next('hotsock.subscribed');
    expect(await publishAsPrinted(hearth)).toEqual({ channel: 'my-channel', event: 'greeting' });
    const frame = await client.next('greeting');
    expect(frame).toEqual({ id: expect.any(String), channel: 'my-channel', event: 'greeting', data: '👋' });
    expect(await lookBackAsPrinted(hearth, client)).toEqual({
      messages: [{ ...frame, meta: { uid: null, umd: null } }],
    });
    const [, url = ''] = /is ready at (\S+)/.exec(hearth.stderr) ?? [];
    expect(hearth.stderr).toMatch(/^ {4}HEARTH_DATA_DIR=\S+ npm run examples$/m);
    const versions = { openapi: '3.1.0', asyncapi: '3.0.0' };
    for (const [name, version] of Object.entries(versions)) {
      const text = await (await fetch(`${url}${name}.json`)).text();
      const document = JSON.parse(text) as Record<string, unknown>;
      expect([document[name], text]).toEqual([version, expect.stringContaining(new URL(url).host)]);
    }
    expect(await hearth.doctor()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ok +NATS +nats-server 2\./m),
    });
    await usesConsole(client, url);
  });

  it('prints a token that has all that its installation wants of one', async () => {
    const hearth = await installation.start({
      ...{ HEARTH_TOKEN_AUDIENCE: 'here', HEARTH_TOKEN_ISSUER: 'us' },
      ...{ HEARTH_REQUIRE_KID: 'true', HEARTH_SIGNING_KEY_1_ID: 'first' },
    });
    await (await connectAsPrinted(hearth)).next('hotsock.subscribed');
  });

  it('prints all that an AWS SDK needs to publish', async () => {
    const hearth = await installation.start();
    const [, arn = ''] = /invoke (arn:aws:lambda:\S+)/.exec(hearth.stderr) ?? [];
    expect(hearth.stderr).toMatch(/AWS CLI before 2\.13 .* --endpoint-url http:\/\/localhost:\d+/);
    const exports = hearth.stderr.split('\n').filter((line) => /^ {4}export /.test(line));
    const program = `
      const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda');
      const Payload = JSON.stringify({ channel: 'my-channel', event: 'by-sdk', data: 1 });
      new LambdaClient().send(new InvokeCommand({ FunctionName: process.argv[1], Payload }))
        .then(({ Payload }) => console.log(Payload.transformToString()));`;
    const client = await connectAsPrinted(hearth);
    await client.next('hotsock.subscribed');
    const answer = await shell(`${exports.join('\n')}\nnode -e "$PROGRAM" ${arn}`, { PROGRAM: program });
    expect(JSON.parse(answer)).toEqual({ channel: 'my-channel', event: 'by-sdk' });
    expect(await client.next('by-sdk')).toMatchObject({ data: 1 });
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says goodbye to its clients on %s, ends everything it started and exits with 0',
    async (signal) => {
      const hearth = await installation.start();
      const client = await connectAsPrinted(hearth);
      const started = await descendantsOf(hearth.pid);
      expect(started.map(({ command }) => command).join('\n')).toMatch(
        /postgres[^]*nats-server|nats-server[^]*postgres/,
      );
      expect(await hearth.end(signal)).toBe(0);
      expect(await client.closed).toEqual({ code: 1001, reason: 'Going away' });
      expect(started.filter((one) => one.isRunning()).map(({ command }) => command)).toEqual([]);
      expect(hearth.stdout).not.toMatch(/"level":"(WARN|ERROR)"/);
    },
  );

  it('speaks to people on a terminal, and shows its secrets there once', async () => {
    const first = await installation.start({}, 'terminal');
    const keys = readFileSync(join(installation.dataDir, 'keys.json'), 'utf8');
    // Two API keys and the secret of an AWS access key.
    expect(secretsIn(first.stdout)).toHaveLength(3);
    for (const secret of secretsIn(first.stdout)) expect(keys).toContain(secret);
    expect(first.stdout).toMatch(/^ {4}http:\/\/localhost:\d+\/console#token=ey[\w.-]+\r?$/m);
    await eventually(() => expect(first.stdout).toMatch(/^\[\d\d:\d\d:\d\d\].*INFO.*Started/m));
    expect(first.stdout).not.toMatch(/^\{/m);
    await first.end('SIGTERM');

    const second = await installation.start({}, 'terminal');
    for (const secret of secretsIn(keys)) expect(second.stdout).not.toContain(secret);
  });

  it('goes on at the second start where the first one ended, and tells no secret where its words may be kept', async () => {
    const first = await installation.start();
    const keys = readFileSync(join(installation.dataDir, 'keys.json'), 'utf8');
    await publishAsPrinted(first, { data: 'before', deduplicationId: 'once' });
    await first.end('SIGTERM');

    const second = await installation.start();
    expect(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8')).toBe(keys);
    // Still accepted, because nobody shall be able to tell, and dropped.
    await publishAsPrinted(second, { data: 'again', deduplicationId: 'once' });
    await publishAsPrinted(second, { data: 'after' });
    const client = await connectAsPrinted(second);
    await eventually(async () => {
      const { messages } = await lookBackAsPrinted(second, client);
      expect(messages.at(-1)?.data).toBe('after');
    });
    const { messages } = await lookBackAsPrinted(second, client);
    expect(messages.map(({ data }) => data)).toEqual(['before', 'after']);
    expect(secretsIn(keys).length).toBeGreaterThan(2);
    for (const log of [first.stdout, first.stderr, second.stdout, second.stderr]) {
      for (const secret of secretsIn(keys)) expect(log).not.toContain(secret);
    }
  });

  it('starts again after kill -9, with everything it had accepted', async () => {
    const first = await installation.start();
    for (const data of ['one', 'two', 'three']) await publishAsPrinted(first, { data });
    await first.end('SIGKILL');
    const second = await installation.start();
    const client = await connectAsPrinted(second);
    await eventually(async () => {
      const { messages } = await lookBackAsPrinted(second, client);
      expect(messages.map(({ data }) => data)).toEqual(['one', 'two', 'three']);
    });
    await publishAsPrinted(second);
    await client.next(({ data }) => data === '👋');
    expect(await second.end('SIGTERM')).toBe(0);
  });

  it('keeps its generated keys beside those that it is given, slot by slot', async () => {
    const first = await installation.start();
    const keys = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8')) as {
      httpApiKey1: string;
      httpApiKey2: string;
    };
    const [, wsUrl = '', generatedToken = ''] = /"(ws:\/\/[^?"]+)\?token=([^"]+)"/.exec(first.commands[0] ?? '') ?? [];
    const url = `${wsUrl.replace('ws:', 'http:').replace(/v1$/, '')}publish`;
    await first.end('SIGTERM');
    const publishing = async (key: string) => {
      const headers = { authorization: `Bearer ${key}` };
      return (await fetch(url, { method: 'POST', headers, body: '{"channel":"c","event":"e"}' })).status;
    };
    const secret = 'a secret of thirty-two characters';
    const ownToken = signToken({ scope: 'connect' }, { secret });
    const connecting = (token: string) =>
      connect(wsUrl, token).then(
        async (client) => (await client.close(), 'connected'),
        (refused: { status: number }) => refused.status,
      );

    const rotating = await installation.start({
      HEARTH_HTTP_API_KEY_1: ' ',
      HEARTH_HTTP_API_KEY_2: 'newkey',
      HEARTH_HTTP_API_KEYS: 'third',
      HEARTH_SIGNING_KEY_2_ENCODED: Buffer.from(secret).toString('base64'),
    });
    const all = ['third', 'newkey', keys.httpApiKey1, keys.httpApiKey2];
    expect(await Promise.all(all.map(publishing))).toEqual([202, 202, 202, 401]);
    expect(await Promise.all([generatedToken, ownToken].map(connecting))).toEqual(['connected', 'connected']);
    await rotating.end('SIGTERM');

    await installation.start({
      HEARTH_HTTP_API_KEY_1: 'newkey',
      HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from(secret).toString('base64'),
    });
    expect(await Promise.all(all.map(publishing))).toEqual([401, 202, 401, 202]);
    expect(await Promise.all([generatedToken, ownToken].map(connecting))).toEqual([401, 'connected']);
  });

  it('says which NATS it waits for, and ends everything it started when it is told to while it waits', async () => {
    const nats = `127.0.0.1:${await freePort()}`;
    const hearth = await installation.run({ HEARTH_NATS_URL: `nats://hearth:PLANTED@${nats}` });
    await eventually(() => expect(hearth.stdout).toContain('HEARTH_NATS_URL'));
    const warnings = hearth.stdout.split('\n').filter((line) => line.includes('HEARTH_NATS_URL'));
    expect(JSON.parse(warnings[0] ?? '')).toMatchObject({
      level: 'WARN',
      message: `No connection to NATS at ${nats} (HEARTH_NATS_URL) yet: CONNECTION_REFUSED. Trying again`,
    });
    const { checks } = (await (await fetch(`${await installation.adminUrl()}/readyz`)).json()) as { checks: object };
    expect(checks).toEqual({
      started: 'still starting',
      postgres: 'ok',
      nats: `no connection to ${nats} yet`,
    });
    const started = await descendantsOf(hearth.pid);
    expect(started.map(({ command }) => command).join('\n')).toContain('postgres');
    expect(await hearth.end('SIGTERM')).toBe(0);
    expect(started.filter((one) => one.isRunning()).map(({ command }) => command)).toEqual([]);
    expect(hearth.stdout + hearth.stderr).not.toContain('PLANTED');
  });

  it('prints all mistakes of a configuration at once and starts nothing', async () => {
    const hearth = await installation.run({
      HEARTH_PORT: 'eighty',
      HEARTH_PARTITIONS: '0',
      HEARTH_DATABASE_URL: 'mysql://somewhere',
      HEARTH_SIGNING_KEY_1_METHOD: 'none',
    });
    expect(await hearth.untilEnded()).toBe(1);
    for (const name of ['PORT', 'PARTITIONS', 'DATABASE_URL', 'SIGNING_KEY_1_METHOD']) {
      expect(hearth.stderr).toMatch(new RegExp(`^ {2}HEARTH_${name}: must be `, 'm'));
    }
    expect(hearth.stdout).toBe('');
    expect(existsSync(installation.dataDir)).toBe(false);
  });

  it.each([
    ['HEARTH_PORT', 'is in use already', (taken: number) => ({ HEARTH_PORT: String(taken), HEARTH_HOST: '127.0.0.1' })],
    ['HEARTH_ADMIN_PORT', 'is in use already', (taken: number) => ({ HEARTH_ADMIN_PORT: String(taken) })],
    ['HEARTH_HOST', 'cannot listen on', () => ({ HEARTH_HOST: 'no.such.host.invalid' })],
  ])('names %s when it %s, and leaves nothing running', async (name, problem, settings) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const hearth = await installation.run(settings((other.address() as AddressInfo).port));
    expect(await hearth.untilEnded()).toBe(1);
    other.close();
    expect(hearth.stdout).toMatch(new RegExp(`"message":"${name}: .*${problem}`));
    expect(hearth.stdout).not.toContain('"stack"');
    expect(await descendantsOf(hearth.pid)).toEqual([]);
  });

  it('tells people in one line why it cannot start', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const hearth = await installation.run({
      HEARTH_PORT: String(port),
      HEARTH_HOST: '127.0.0.1',
      HEARTH_LOG_FORMAT: 'text',
    });
    expect(await hearth.untilEnded()).toBe(1);
    other.close();
    const [, ...reasons] = hearth.stdout.split(/^(?=.*ERROR)/m);
    expect(reasons).toEqual([
      expect.stringMatching(/Start failed: HEARTH_PORT: port \d+ of 127\.0\.0\.1 is in use already \(EADDRINUSE\)\n$/),
    ]);
  });

  it('does not share its folder with another', async () => {
    await installation.start();
    const second = await installation.run({ HEARTH_PORT: '0', HEARTH_ADMIN_PORT: '0' });
    expect(await second.untilEnded()).toBe(1);
    expect(second.stdout).toContain('already in use by process');
  });
});
