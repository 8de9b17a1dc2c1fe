import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually';

/** A program that is not ours (nginx, nats-server), running until `stop` or the end of the test process. */
export interface Program {
  /** What it wrote to stdout so far. */
  stdout(): string;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  /** Ends it and deletes its folder. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Its own, with all it needs in it; its output is kept there too. Goes when it goes. */
  readonly folder: string;
  /** Throws until the program can be used. */
  readonly ready: () => Promise<unknown>;
}

/** Starts a program and waits until it can be used. @throws Error with what it said when it cannot */
export async function startProgram({ program, args, env, folder, ready }: ProgramOptions): Promise<Program> {
  const [stdout, stderr] = [join(folder, 'stdout'), join(folder, 'stderr')];
  // Files, because /dev/stdout, nginx' access log, cannot be opened again when it is the socket Node makes of a pipe.
  const files = [await open(stdout, 'a'), await open(stderr, 'a')] as const;
  const child = spawn(program, args, { env: env ?? {}, stdio: ['ignore', files[0].fd, files[1].fd] });
  await Promise.all(files.map((file) => file.close()));
  const killIt = () => child.kill('SIGTERM');
  process.once('exit', killIt);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  }).then(() => {
    ended = true;
    process.removeListener('exit', killIt);
  });
  const started: Program = {
    stdout: () => readFileSync(stdout, 'utf8'),
    output: () => [stdout, stderr].map((file) => readFileSync(file, 'utf8')).join('\n'),
    stop: async () => {
      if (!ended) child.kill('SIGTERM');
      await end;
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await eventually(async () => {
      if (!ended) await ready();
    });
    if (ended) throw new Error('it ended');
    return started;
  } catch (cause) {
    const said = started.output();
    await started.stop();
    throw new Error(`${program} did not start:\n${said}`, { cause });
  }
}
