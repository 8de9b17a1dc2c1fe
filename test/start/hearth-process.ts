import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { processIdentity } from '@hearth/data-dir';
import { hearth, type Outcome } from '../cli/hearth-command';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { dataDirPrefix } from '../support/servers';

const program = join(__dirname, '../../dist/apps/hearth/src/main.js');
/** The first start makes a database, on a machine that runs other tests as well. */
const READY_WITHIN_MS = 60_000;
const ENDS_WITHIN_MS = 30_000;

/** A place for an installation of a test's own; the first start makes it. */
export class Installation {
  readonly dataDir = join(tmpdir(), `${dataDirPrefix}${randomBytes(6).toString('hex')}`);
  private readonly runs: HearthRun[] = [];
  private ports: Promise<[number, number]> | undefined;

  /** Starts Hearth as a newcomer does, with a folder and two ports, in more of a hurry to end, and waits for nothing. */
  async run(more: Readonly<Record<string, string>> = {}, from: Place = 'program'): Promise<HearthRun> {
    const [port, adminPort] = await this.freePorts();
    const env = {
      HEARTH_DATA_DIR: this.dataDir,
      HEARTH_PORT: String(port),
      HEARTH_ADMIN_PORT: String(adminPort),
      HEARTH_DRAIN_SECONDS: '1',
      ...more,
    };
    const run = new HearthRun(env, from);
    this.runs.push(run);
    return run;
  }

  /** Starts it and waits until it says that it is ready. */
  async start(more: Readonly<Record<string, string>> = {}, from: Place = 'program'): Promise<HearthRun> {
    const run = await this.run(more, from);
    await run.untilReady();
    return run;
  }

  /** `http://127.0.0.1:<port>` of its admin port. */
  async adminUrl(): Promise<string> {
    const [, adminPort] = await this.freePorts();
    return `http://127.0.0.1:${adminPort}`;
  }

  private freePorts(): Promise<[number, number]> {
    return (this.ports ??= Promise.all([freePort(), freePort()]));
  }

  /** Numbers of the processes of its two servers. */
  serverPids(): number[] {
    const { cluster } = JSON.parse(readFileSync(join(this.dataDir, 'postgres.json'), 'utf8')) as { cluster?: string };
    const files = [
      join(cluster ?? join(this.dataDir, 'postgres'), 'postmaster.pid'),
      join(this.dataDir, 'nats/nats-server.pid'),
    ];
    return files.map((file) => Number.parseInt(readFileSync(file, 'utf8'), 10));
  }

  /** Ends what still runs and deletes everything. */
  async remove(): Promise<void> {
    for (const run of this.runs) await run.end('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** From where it is started: on a terminal stdout and stderr are the same, and are found in `stdout`. */
export type Place = 'program' | 'terminal';

/** Makes a terminal of its own for the program that it runs, and passes on what it says and how it ends. */
const ON_TERMINAL = ['script', '-qefc', `exec '${process.execPath}' '${program}'`, '/dev/null'] as const;

/** One life of the all-in-one. */
export class HearthRun {
  /** What it told the person who started it. */
  stderr = '';
  /** Its log. */
  stdout = '';
  readonly pid: number;
  private readonly child: ChildProcessByStdio<null, Readable, Readable>;
  private readonly ended: Promise<number | NodeJS.Signals>;
  private exit: number | NodeJS.Signals | undefined;

  constructor(
    private readonly env: Readonly<Record<string, string>>,
    from: Place,
  ) {
    const [command, ...args] = from === 'terminal' ? ON_TERMINAL : [process.execPath, program];
    this.child = spawn(command, args, {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = this.child.pid ?? 0;
    this.child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('utf8')));
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('utf8')));
    this.ended = new Promise((resolve) => {
      // "exit" and not "close": servers that outlive it must not keep the test waiting.
      this.child.once('exit', (code, signal) => resolve((this.exit = code ?? signal ?? -1)));
    });
  }

  /** Waits for the last line of the welcome. */
  async untilReady(): Promise<void> {
    await eventually(() => {
      if (this.exit !== undefined) return;
      if (!/^ {2}Keys: /m.test(this.stderr + this.stdout))
        throw new Error(`Hearth is not ready:\n${this.stdout}${this.stderr}`);
    }, READY_WITHIN_MS);
    if (this.exit !== undefined) throw new Error(`Hearth ended with ${this.exit}:\n${this.stdout}${this.stderr}`);
  }

  /** Sends a signal, if it still runs, and waits for the end. @returns the exit code, or the signal that ended it */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    if (this.exit === undefined) this.child.kill(signal);
    return this.untilEnded();
  }

  /** Waits until it has ended by itself. */
  async untilEnded(): Promise<number | NodeJS.Signals> {
    await eventually(() => {
      if (this.exit === undefined) throw new Error(`Hearth has not ended:\n${this.stdout}${this.stderr}`);
    }, ENDS_WITHIN_MS);
    return this.ended;
  }

  /** What `hearth doctor` finds, beside it. */
  doctor(): Promise<Outcome> {
    return hearth(['doctor'], { env: this.env });
  }

  /** The commands it printed, as a shell takes them: lines that end in a backslash go on in the next. */
  get commands(): readonly string[] {
    const lines = this.stderr.replaceAll(/\\\n/g, '').split('\n');
    return lines.filter((line) => /^ {4}(npx|curl) /.test(line)).map((line) => line.trim());
  }
}

/** Runs a command line in a shell. @returns what it printed on stdout */
export async function shell(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { env: { ...process.env, ...env } });
  return stdout;
}

interface ListedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function allProcesses(): Promise<readonly ListedProcess[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  return stdout.split('\n').flatMap((line) => {
    const [, own, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return own === undefined ? [] : [{ pid: Number(own), parent: Number(parent), command }];
  });
}

/** Identities of all processes that a process started, and that those started: what must be gone when it has ended. */
export async function descendantsOf(pid: number): Promise<readonly Descendant[]> {
  const processes = await allProcesses();
  const below = (parent: number): Descendant[] =>
    processes.filter((one) => one.parent === parent).flatMap((one) => [describe(one), ...below(one.pid)]);
  const describe = ({ pid: own, command }: ListedProcess): Descendant => {
    const identity = processIdentity(own);
    return { pid: own, command, isRunning: () => identity !== undefined && processIdentity(own) === identity };
  };
  return below(pid);
}

/** Command lines of all running processes that name a folder: the servers on it, whoever is their parent by now. */
export async function commandsNaming(folder: string): Promise<readonly string[]> {
  return (await allProcesses()).map(({ command }) => command).filter((command) => command.includes(folder));
}

export interface Descendant {
  readonly pid: number;
  readonly command: string;
  isRunning(): boolean;
}
