import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port';
import { eventually } from '../support/eventually';
import { dataDirPrefix } from '../support/servers';
import { shell } from './hearth-process';

const root = join(__dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [twoCommands = '', connectCommand = '', publishCommand = '', listCommand = '', terminalCommands = ''] = [
  ...readme.matchAll(/```sh\n([^]*?)```/g),
].map(([, commands = '']) => commands);

/** What a person does in a terminal: the command runs, its output is read, lines may be typed. */
class Terminal {
  output = '';
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<number | null>;

  constructor(command: string, env: Readonly<Record<string, string>> = {}) {
    this.child = spawn('sh', ['-c', `exec ${command}`], { cwd: root, env: { ...process.env, ...env } });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString('utf8')));
    }
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
  }

  /** Waits until the output matches, and gives what it matched. */
  shows(pattern: RegExp, withinMs = 90_000): Promise<RegExpExecArray> {
    return eventually(() => {
      const match = pattern.exec(this.output);
      if (match === null) throw new Error(`${String(pattern)} is not in:\n${this.output}`);
      return match;
    }, withinMs);
  }
}

/** The commands of "From a terminal", with the same installation. */
async function tryTerminalCommands(settings: Readonly<Record<string, string>>): Promise<void> {
  const [subscribe = '', publish = '', issue = '', check = '', makeKey = '', ...others] = terminalCommands
    .trim()
    .split('\n');
  expect(others).toEqual([]);
  const subscriber = new Terminal(subscribe, settings);
  await subscriber.shows(/"event":"hotsock\.subscribed","channel":"my-channel"/);
  expect(await shell(publish, settings)).toBe('Published greeting to my-channel\n');
  await subscriber.shows(/"event":"greeting","channel":"my-channel","data":"hello"/);
  subscriber.child.kill('SIGTERM');
  const token = await shell(issue, settings);
  const explained = await shell(check.replace('TOKEN', token.trim()), settings);
  expect(explained).toMatch(/^Valid: [^]*uid +user-1\n[^]*may publish chat while subscribed\n$/);
  expect(await shell(makeKey, settings)).toMatch(/^HEARTH_SIGNING_KEY_1_ENCODED=/m);
  await subscriber.ended;
}

describe('the README', () => {
  it('has commands that do what it says, from the start to looking back', async () => {
    expect(twoCommands).toBe('npm ci\nnpm start\n');
    const dataDir = await mkdtemp(join(tmpdir(), dataDirPrefix));
    const [port, adminPort] = [await freePort(), await freePort()];
    // The two things in which this installation is not a newcomer's: where it keeps its data, and its ports.
    const here = (command: string): string =>
      command.replaceAll('localhost:8080', `localhost:${port}`).replaceAll('./.hearth', dataDir);
    const settings = { HEARTH_DATA_DIR: dataDir, HEARTH_PORT: String(port), HEARTH_ADMIN_PORT: String(adminPort) };
    const hearth = new Terminal('npm start', settings);
    try {
      const [, token = ''] = await hearth.shows(/\?token=([\w.-]+)"/);
      const wscat = new Terminal(here(connectCommand).replace('TOKEN', token));
      const [, connection = ''] = await wscat.shows(/(\{"event":"hotsock\.connected".*\})/);
      await wscat.shows(/"event":"hotsock\.subscribed"/);
      expect(JSON.parse(await shell(here(publishCommand)))).toEqual({ channel: 'my-channel', event: 'greeting' });
      await wscat.shows(/"event":"greeting","channel":"my-channel","data":"👋"/);
      const [typed = ''] = /\{"event":"chat".*\}/.exec(readme) ?? [];
      wscat.child.stdin.write(`${typed.replace('`:', '')}\n`);
      await wscat.shows(/"event":"chat","channel":"my-channel","data":"hello","meta":\{"uid":"you"/);
      const { connectionId, connectionSecret } = (
        JSON.parse(connection) as { data: { connectionId: string; connectionSecret: string } }
      ).data;
      const answer = await shell(here(listCommand), {
        CONNECTION_ID: connectionId,
        CONNECTION_SECRET: connectionSecret,
      });
      const { messages } = JSON.parse(answer) as { messages: { event: string }[] };
      expect(messages.map(({ event }) => event)).toEqual(['greeting', 'chat']);
      wscat.child.kill('SIGTERM');
      await wscat.ended;
      await tryTerminalCommands(settings);
    } finally {
      hearth.child.kill('SIGTERM');
      await hearth.ended;
      await eventually(() => expect(hearth.output).toContain('"Stopped"'));
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
