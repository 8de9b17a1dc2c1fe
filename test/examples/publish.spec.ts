import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AWS_CLI, describeWith, PYTHON, RUBY } from '../aws/programs';
import { Installation } from '../start/hearth-process';
import { freePort } from '../support/free-port';
import { signToken } from '../support/tokens';
import { connect, WsClient } from '../support/ws-client';

const root = join(__dirname, '../..');
const examples = join(root, 'examples/publish');
const readme = readFileSync(join(examples, 'README.md'), 'utf8');
const [, settings = ''] = /```sh\n([^]*?)```/.exec(readme) ?? [];
const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:Hearth-PublishFunction';

const installation = new Installation();
let port: number;
let subscriber: WsClient;

beforeAll(async () => {
  port = await freePort();
  await installation.start({ HEARTH_PORT: String(port) });
  const { signingKey } = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8')) as {
    signingKey: { encoded: string };
  };
  const claims = { scope: 'connect', channels: { 'my-channel': { autoSubscribe: true } } };
  const token = signToken(claims, { secret: Buffer.from(signingKey.encoded, 'base64') });
  subscriber = await connect(`ws://127.0.0.1:${port}/v1`, token);
  await subscriber.next('hotsock.subscribed');
});
afterAll(() => installation.remove());

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as its README says, with the settings of its README, in a shell that has nothing else. */
async function run(command: string, { more = '', folder = examples } = {}): Promise<Outcome> {
  const here = settings.replaceAll('localhost:8080', `localhost:${port}`).replaceAll('./.hearth', installation.dataDir);
  // The pipe: /dev/stdout cannot be opened when it is the socket that Node gives to its children.
  const script = `set -eo pipefail\n${here}\n${more}\n${command} | cat`;
  const env = { PATH: `/usr/bin:/bin:${dirname(process.execPath)}`, HOME: '/nonexistent', LANG: 'C.UTF-8' };
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

async function expectPublished(outcome: Outcome): Promise<void> {
  expect(outcome).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('{"channel":"my-channel","event":"my-event"}'),
  });
  const frame = await subscriber.next('my-event');
  expect(frame).toEqual({ id: expect.any(String), event: 'my-event', channel: 'my-channel', data: '👋' });
}

/** The three things that every example through the Lambda endpoint does. */
function testsOf(command: string, folder?: () => string): void {
  it('publishes by the name of the function', async () => {
    await expectPublished(await run(command, { folder: folder?.() }));
  });

  it('publishes by an ARN', async () => {
    await expectPublished(await run(command, { folder: folder?.(), more: `export PUBLISH_FUNCTION_NAME=${ARN}` }));
  });

  it('fails with another key', async () => {
    const { code, stderr, stdout } = await run(command, {
      folder: folder?.(),
      more: 'export AWS_SECRET_ACCESS_KEY=wrong',
    });
    expect(code).not.toBe(0);
    expect(stderr + stdout).toMatch(/signature/i);
  });
}

describe('the example for the AWS SDK for JavaScript', () => testsOf('node javascript.mjs'));
describeWith(PYTHON, 'the example for boto3', () => testsOf('python3 python.py'));
describeWith(RUBY, 'the example for Ruby', () => testsOf('ruby ruby.rb'));
describeWith(AWS_CLI, 'the example for the AWS CLI', () => testsOf('./aws-cli.sh'));

describe('the example for our library', () => {
  let project: string;
  beforeAll(async () => {
    project = await mkdtemp(join(tmpdir(), 'hearth-test-example-'));
    const library = join(project, 'node_modules/@hearth/server-sdk');
    execFileSync(process.execPath, [join(root, 'scripts/build-server-sdk.mjs'), library]);
    copyFileSync(join(examples, 'library.mjs'), join(project, 'library.mjs'));
  });
  afterAll(() => rm(project, { recursive: true, force: true }));

  testsOf('node library.mjs', () => project);
});

describe('the example for curl', () => {
  it('publishes', async () => {
    await expectPublished(await run('./curl.sh'));
  });

  it('fails with another key', async () => {
    const { code, stdout } = await run('./curl.sh', { more: 'export HTTP_API_KEY=wrong' });
    expect(code).not.toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
  });
});

it('names every example that there is, and no other', () => {
  const named = [...readme.matchAll(/\]\(([\w.-]+)\)/g)].map(([, file]) => file);
  const files = execFileSync('ls', [examples], { encoding: 'utf8' }).trim().split('\n');
  expect([...named, 'README.md'].sort()).toEqual(files.sort());
});
