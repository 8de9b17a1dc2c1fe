import { type StopStep, stopProcess, stopProcessesNow } from '@hearth/data-dir';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readSync, fstatSync, statSync, truncateSync } from 'node:fs';

/** An operating system account to run something as. */
export interface Account {
  /** As messages call it: `user postgres`. */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Who runs it; only root can choose. */
  readonly account?: Account | undefined;
  /** What it is stopped by: the first ends it in good order, without waiting for its clients. */
  readonly stopSteps: readonly StopStep[];
}

// A log that grew beyond this is emptied at the next start; it is read only to explain a failed one.
const maxLogBytes = 5 * 1024 * 1024;
const tailBytes = 2000;

/** All that run. They are no part of our process and would outlive it, however it exits. */
const running = new Set<ServerProcess>();
// Beyond the drain time, and below the patience of whoever told us to end.
const exitWaitMs = 3_000;

function stopAllAtExit(): void {
  stopProcessesNow([...running], exitWaitMs);
}

/**
 * A server started by us, in a process group of its own: Ctrl-C in a terminal signals the whole foreground group, and the
 * servers must outlive it until Hearth has drained. Its output goes to a file and not to a pipe, because a pipe breaks
 * when Hearth is killed, and a Go program dies of that.
 */
export class ServerProcess {
  readonly pid: number;
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;

  private constructor(
    child: ChildProcess,
    readonly stopSteps: readonly StopStep[],
    private readonly logFile: string,
    private readonly logStart: number,
  ) {
    this.pid = child.pid ?? 0;
    if (running.size === 0) process.once('exit', stopAllAtExit);
    running.add(this);
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        running.delete(this);
        if (running.size === 0) process.removeListener('exit', stopAllAtExit);
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
      });
    });
  }

  /** Starts the server. @throws Error when the program cannot be run at all */
  static start({ command, args, logFile, account, stopSteps }: ServerCommand): Promise<ServerProcess> {
    const log = openLog(logFile);
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        detached: true,
        stdio: ['ignore', log.descriptor, log.descriptor],
        cwd: '/',
        env: serverEnvironment(),
        ...identityOf(account),
      });
      closeSync(log.descriptor);
      child.once('error', (error) => reject(new Error(`${command} cannot be run: ${error.message}`, { cause: error })));
      child.once('spawn', () => resolve(new ServerProcess(child, stopSteps, logFile, log.size)));
      child.unref();
    });
  }

  isRunning(): boolean {
    return running.has(this);
  }

  /** Stops it; does nothing when it has ended. */
  async stop(): Promise<void> {
    await stopProcess(this.pid, () => this.isRunning(), this.stopSteps);
  }

  /** The last lines it wrote since it was started. */
  logTail(): string {
    const descriptor = openSync(this.logFile, 'r');
    try {
      const end = fstatSync(descriptor).size;
      const start = Math.max(this.logStart, end - tailBytes);
      const buffer = Buffer.alloc(Math.max(0, end - start));
      readSync(descriptor, buffer, 0, buffer.length, start);
      return buffer.toString('utf8').trim();
    } finally {
      closeSync(descriptor);
    }
  }
}

/** The spawn options that make a program run as `account`; the numbers wrap so that macOS's `nobody` (-2) fits. */
export function identityOf(account: Account | undefined): { uid?: number; gid?: number } {
  return account === undefined ? {} : { uid: account.uid | 0, gid: account.gid | 0 };
}

/** Nothing of Hearth's own environment (secrets, PG* variables) reaches the servers; C and UTC make them alike everywhere. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C', TZ: 'UTC' };
}

function openLog(path: string): { descriptor: number; size: number } {
  const descriptor = openSync(path, 'a', 0o600);
  if (statSync(path).size > maxLogBytes) truncateSync(path);
  return { descriptor, size: fstatSync(descriptor).size };
}
