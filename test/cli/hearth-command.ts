import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';

const program = join(__dirname, '../../dist/apps/cli/src/main.js');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Its whole environment, beside PATH; without `HEARTH_DATA_DIR` there is no installation. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from stdin. */
  readonly input?: string;
}

/** The `hearth` command in a process of its own, as a person runs it. */
export class HearthCommand {
  readonly child: ChildProcessWithoutNullStreams;
  /** When it has ended and all it wrote has been read. */
  readonly ended: Promise<Outcome>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], { env = {}, input = '' }: RunOptions = {}) {
    this.child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env.PATH, HEARTH_DATA_DIR: '/nonexistent', ...env },
    });
    this.child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString('utf8')));
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString('utf8')));
    // It may have ended without reading.
    this.child.stdin.on('error', () => {});
    this.child.stdin.end(input);
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** The frames or other JSON objects it has printed so far, one a line. */
  get lines(): readonly unknown[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown);
  }
}

/** Runs the command to its end. */
export function hearth(args: readonly string[], options?: RunOptions): Promise<Outcome> {
  return new HearthCommand(args, options).ended;
}

/** What a command that failed looks like: nothing on stdout, one line on stderr. */
export function failure(code: number, line: string | RegExp): Outcome {
  const pattern = typeof line === 'string' ? expect.stringContaining(line) : expect.stringMatching(line);
  return { code, stdout: '', stderr: pattern as string };
}
