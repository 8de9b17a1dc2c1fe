import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Installation } from '../start/hearth-process';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { connect } from '../support/ws-client';
import { failure, hearth, HearthCommand } from './hearth-command';
import { describeManagement } from './management-commands';

const installation = new Installation();
/** What a person sets who started an all-in-one with a folder of its own: its keys and its ports lie there. */
let env: Record<string, string>;
let port: number;
let folder: string;

beforeAll(async () => {
  port = await freePort();
  env = { HEARTH_DATA_DIR: installation.dataDir };
  await installation.start({ HEARTH_PORT: String(port) });
  folder = await mkdtemp(join(tmpdir(), 'hearth-test-cli-'));
});
afterAll(async () => {
  await installation.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Starts `hearth subscribe` and waits until it is subscribed to the channels. */
async function subscribed(channels: readonly string[], args: readonly string[] = []): Promise<HearthCommand> {
  const command = new HearthCommand(['subscribe', ...channels, ...args], { env });
  await eventually(() => {
    if (command.lines.filter(isSubscribed).length < channels.length) throw new Error(command.stdout + command.stderr);
  });
  return command;
}

const isSubscribed = (frame: unknown): boolean => (frame as { event: string }).event === 'hotsock.subscribed';

describe('hearth publish and hearth subscribe', () => {
  it('pass a message through either door', async () => {
    const subscriber = await subscribed(['a', 'b'], ['--count', '3']);
    expect(await hearth(['publish', 'a', 'greeting', '{"n":1}'], { env })).toEqual({
      ...{ code: 0, stderr: '', stdout: 'Published greeting to a\n' },
    });
    const lambda = await hearth(['publish', 'b', 'greeting', '"👋"', '--lambda', '--eager-id', '--json'], { env });
    expect({ ...lambda, stdout: '' }).toEqual({ code: 0, stderr: '', stdout: '' });
    const { id } = JSON.parse(lambda.stdout);
    expect(JSON.parse(lambda.stdout)).toEqual({
      id: expect.stringMatching(/^\w{26}$/),
      channel: 'b',
      event: 'greeting',
    });
    const named = await hearth(['publish', 'a', 'bare', '--eager-id'], { env });
    expect(named.stdout).toMatch(/^Published bare to a as \w{26}\n$/);

    const { code, stderr } = await subscriber.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [connected, ...frames] = subscriber.lines;
    expect(connected).toMatchObject({ event: 'hotsock.connected', meta: { uid: null } });
    const messages = frames.filter((frame) => !isSubscribed(frame));
    expect(messages).toEqual(
      expect.arrayContaining([
        { id: expect.any(String), event: 'greeting', channel: 'a', data: { n: 1 } },
        { id, event: 'greeting', channel: 'b', data: '👋' },
        { id: expect.any(String), event: 'bare', channel: 'a', data: null },
      ]),
    );
    expect(messages).toHaveLength(3);
  });

  it('schedule a message, and say what the schedule is called', async () => {
    const at = ['--at', '2040-01-31T09:00:00', '--timezone', 'Europe/Berlin'];
    expect((await hearth(['publish', 'a', 'later', ...at], { env })).stdout).toMatch(
      /^Scheduled later for a: arn:aws:scheduler:\S+\/\w{26}\n$/,
    );
    const asDocument = await hearth(['publish', 'a', 'later', '--at', 'at(2040-01-31T09:00:00)'], { env });
    expect(asDocument).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Scheduled later for a: /) });
    const past = await hearth(['publish', 'a', 'later', '--at', '2020-01-31T09:00:00'], { env });
    expect([past.code, past.stderr]).toEqual([1, expect.stringContaining('scheduleExpression')]);
  });

  it('take data from a file and from stdin, and pass every option on', async () => {
    const file = join(folder, 'data.json');
    await writeFile(file, '[false, 0, ""]');
    const subscriber = await subscribed(['c'], ['--count', '2']);
    const options = ['--store', '60', '--deduplication-id', 'once', '--emit-pub-sub-event'];
    expect(await hearth(['publish', 'c', 'e', '--data-file', file, ...options], { env })).toMatchObject({ code: 0 });
    expect(await hearth(['publish', 'c', 'e', '--data-file', file, ...options], { env })).toMatchObject({ code: 0 });
    expect(await hearth(['publish', 'c', 'e', '-'], { env, input: '{"from":"stdin"}\n' })).toMatchObject({ code: 0 });
    expect(await subscriber.ended).toMatchObject({ code: 0 });
    const messages = subscriber.lines.slice(2) as { data: unknown }[];
    expect(messages.map(({ data }) => data)).toEqual([[false, 0, ''], { from: 'stdin' }]);
  });

  it('pass data on as it is written, digits that no double holds included', async () => {
    const exact = '{"a":12345678901234567890,"b":1.10, "c":1e400,"b":-0,"__proto__":{"d":"\\u00e9"}}';
    const subscriber = await subscribed(['exact'], ['--count', '4']);
    expect(await hearth(['publish', 'exact', 'e', exact, '--store', '60'], { env })).toMatchObject({ code: 0 });
    expect(await hearth(['publish', 'exact', 'e', exact, '--lambda'], { env })).toMatchObject({ code: 0 });
    expect(await hearth(['publish', 'exact', 'e', '-'], { env, input: ` ${exact}\n` })).toMatchObject({ code: 0 });
    expect(await hearth(['publish', 'exact', 'e', '0.10'], { env })).toMatchObject({ code: 0 });
    await subscriber.ended;
    const shown = subscriber.stdout.split('\n').filter((line) => line.includes('"event":"e"'));
    expect(shown.map((line) => /"data":(.*)}$/.exec(line)?.[1])).toEqual([exact, exact, exact, '0.10']);
  });

  it('print only the events that are asked for', async () => {
    const args = ['subscribe', 'd', '--event', 'wanted', '--event', 'hotsock.subscribed', '--count', '1'];
    const subscriber = new HearthCommand(args, { env });
    await eventually(() => expect(subscriber.lines).toHaveLength(1));
    await hearth(['publish', 'd', 'other'], { env });
    await hearth(['publish', 'd', 'wanted'], { env });
    expect(await subscriber.ended).toMatchObject({ code: 0 });
    expect(subscriber.lines.map((frame) => (frame as { event: string }).event)).toEqual([
      'hotsock.subscribed',
      'wanted',
    ]);
  });

  it('work with the addresses and keys of flags alone', async () => {
    const { stdout: token } = await hearth(['token', '--uid', 'you', '--channel', 'e'], { env });
    await writeFile(join(folder, 'token'), token);
    const keys = JSON.parse(await readFile(join(installation.dataDir, 'keys.json'), 'utf8'));
    const nothing = { env: {} };
    for (const [url, door] of [
      [`http://localhost:${port}`, ['--api-key', keys.httpApiKey2]],
      [`http://localhost:${port}/publish`, ['--api-key', keys.httpApiKey1]],
      [
        `http://localhost:${port}/`,
        ['--lambda', '--access-key', keys.awsAccessKeys, '--function', 'Hearth-PublishFunction'],
      ],
    ] as const) {
      const address = url.replace('/publish', '').replace(/\/$/, '');
      const args = ['subscribe', 'e', '--url', address, '--token', `@${join(folder, 'token')}`, '--count', '1'];
      const subscriber = new HearthCommand(args, nothing);
      await eventually(() => expect(subscriber.lines.filter(isSubscribed)).toHaveLength(1));
      expect(await hearth(['publish', 'e', 'x', '--url', url, ...door], nothing)).toMatchObject({
        code: 0,
        stderr: '',
      });
      expect(await subscriber.ended).toMatchObject({ code: 0 });
      expect(subscriber.lines[0]).toMatchObject({ meta: { uid: 'you' } });
    }
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('end gently on %s, with exit code 0', async (signal) => {
    const subscriber = await subscribed(['f'], ['--uid', 'me']);
    subscriber.child.kill(signal);
    expect(await subscriber.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('end by themselves when nobody reads any more', async () => {
    const subscriber = await subscribed(['g']);
    subscriber.child.stdout.destroy();
    await hearth(['publish', 'g', 'e'], { env });
    await hearth(['publish', 'g', 'e'], { env });
    expect((await subscriber.ended).code).toBe(0);
  });
});

describe('hearth publish', () => {
  it.each<[string, string[], string]>([
    ['a reserved event', ['c', 'hotsock.x'], 'error: INVALID_EVENT: event must not start with hotsock.'],
    ['a channel that cannot be', ['a b', 'e'], 'error: INVALID_CHANNEL: '],
    ['the same through Lambda', ['a b', 'e', '--lambda'], 'error: INVALID_CHANNEL: '],
    ['a wrong API key', ['c', 'e', '--api-key', 'PLANTED'], 'error: UNAUTHORIZED: '],
    [
      'a wrong access key',
      ['c', 'e', '--lambda', '--access-key', 'AKID:PLANTED'],
      'error: UnrecognizedClientException: ',
    ],
    ['a wrong function', ['c', 'e', '--lambda', '--function', 'x'], 'error: ResourceNotFoundException: '],
    ['nobody listening', ['c', 'e', '--url', 'http://127.0.0.1:9'], 'error: NETWORK_ERROR: '],
  ])('fails with %s: exit code 1, and no secret is shown', async (_, args, line) => {
    const outcome = await hearth(['publish', ...args], { env });
    expect(outcome).toEqual(failure(1, line));
    expect(outcome.stderr).not.toContain('PLANTED');
    expect(outcome.stderr.trim()).not.toContain('\n');
  });

  it.each<[string, string[], string]>([
    ['no event', ['c'], "error: missing required argument 'event'"],
    ['data that is not JSON', ['c', 'e', 'PLANTED'], 'error: [data] must be JSON, such as'],
    ['data twice', ['c', 'e', '1', '--data-file', 'x'], 'error: give [data] or --data-file, not both'],
    ['no data file', ['c', 'e', '--data-file', '/nowhere'], 'error: --data-file: /nowhere cannot be read (ENOENT)'],
    ['a store time that is no number', ['c', 'e', '--store', '1h'], 'error: --store must be a whole number'],
    ['an address that is none', ['c', 'e', '--url', 'localhost'], 'error: --url must be an address such as http://'],
    ['a WebSocket address', ['c', 'e', '--url', 'ws://x'], 'error: --url must be an address such as http://'],
    [
      'an access key without --lambda',
      ['c', 'e', '--access-key', 'a:PLANTED'],
      'error: --access-key and --function need',
    ],
    [
      'an API key with --lambda',
      ['c', 'e', '--lambda', '--api-key', 'PLANTED'],
      'error: --api-key and --lambda exclude',
    ],
    [
      'half an access key',
      ['c', 'e', '--lambda', '--access-key', 'PLANTED'],
      'error: --access-key must be AKID:SECRET',
    ],
  ])('is used wrongly with %s: exit code 2, and no secret is shown', async (_, args, line) => {
    const outcome = await hearth(['publish', ...args], { env });
    expect(outcome).toEqual(failure(2, line));
    expect(outcome.stderr).not.toContain('PLANTED');
  });

  it.each([
    [[], 'error: no API key: give --api-key, set HEARTH_HTTP_API_KEY_1, or HEARTH_DATA_DIR to the folder of'],
    [['--lambda'], 'error: no access key: give --access-key, set HEARTH_AWS_ACCESS_KEYS, or HEARTH_DATA_DIR to'],
  ])('says where keys come from when there is none (%j)', async (args, line) => {
    expect(await hearth(['publish', 'c', 'e', ...args])).toEqual(failure(2, line));
  });
});

describe('hearth subscribe', () => {
  it('fails when the token does not allow it', async () => {
    const { stdout: token } = await hearth(['token', '--channel', 'other'], { env });
    const { code, stderr } = await hearth(['subscribe', 'a', '--token', token.trim()], { env });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^error: SUBSCRIBE_PERMISSION_DENIED, .+\n$/),
    });
  });

  it('is content with a token that subscribes by itself', async () => {
    const { stdout: token } = await hearth(['token', '--channel', 'h', '--auto-subscribe'], { env });
    const subscriber = await subscribed(
      ['h'],
      ['--token', token.trim(), '--count', '1', '--event', 'e', '--event', 'hotsock.subscribed'],
    );
    await hearth(['publish', 'h', 'e'], { env });
    expect(await subscriber.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it.each<[string, string[], string]>([
    [
      'a token that is refused',
      ['a', '--key', 'another secret'],
      'error: the connection was refused: INVALID_CONNECT_TOKEN, ',
    ],
    [
      'nobody listening',
      ['a', '--url', 'ws://127.0.0.1:9/v1'],
      'error: ws://127.0.0.1:9/v1 cannot be reached (ECONNREFUSED)',
    ],
  ])('fails with %s: exit code 1', async (_, args, line) => {
    expect(await hearth(['subscribe', ...args], { env })).toEqual(failure(1, line));
  });

  it('fails when the messages do not come in time', async () => {
    const args = ['subscribe', 'a', '--event', 'e', '--count', '2', '--timeout', '1'];
    expect(await hearth(args, { env })).toEqual(failure(1, 'error: --timeout is over, and 0 of 2 messages have come'));
  });

  it('listens for a time', async () => {
    expect(await hearth(['subscribe', 'a', '--timeout', '1'], { env })).toMatchObject({ code: 0, stderr: '' });
  });

  it.each<[string, string[], string]>([
    ['no channel', [], "error: missing required argument 'channels'"],
    ['no number', ['a', '--count', '0'], 'error: --count must be a whole number of 1 or more'],
    ['no time', ['a', '--timeout', 'x'], 'error: --timeout must be a time such as'],
    ['an address that is none', ['a', '--url', 'localhost:1'], 'error: --url must be an address such as ws://'],
  ])('is used wrongly with %s: exit code 2', async (_, args, line) => {
    expect(await hearth(['subscribe', ...args], { env })).toEqual(failure(2, line));
  });

  it('fails when the installation goes away', async () => {
    const own = new Installation();
    try {
      const settings = { HEARTH_DATA_DIR: own.dataDir, HEARTH_PORT: String(await freePort()) };
      const run = await own.start(settings);
      const subscriber = new HearthCommand(['subscribe', 'a'], { env: settings });
      await eventually(() => expect(subscriber.lines.filter(isSubscribed)).toHaveLength(1));
      await run.end('SIGTERM');
      expect(await subscriber.ended).toMatchObject({
        code: 1,
        stderr: 'error: the connection was closed: 1001 Going away\n',
      });
    } finally {
      await own.remove();
    }
  });
});

it('a token of hearth token connects', async () => {
  const { stdout: token } = await hearth(['token', '--uid', 'you', '--channel', 'z', '--auto-subscribe'], { env });
  const client = await connect(`ws://127.0.0.1:${port}/v1`, token.trim());
  expect(await client.next('hotsock.subscribed')).toMatchObject({ channel: 'z', meta: { uid: 'you' } });
  await client.close();
});

describeManagement(() => ({ installation, env, port }));
