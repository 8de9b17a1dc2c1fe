import { type StopStep, runsWithArgument, stopProcess } from '@hearth/data-dir';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ServerProcess, type ServerCommand } from './server-process';

// After a crash a server replays its log, or reads its streams again, before it lets anyone in.
const readyWithinMs = 120_000;
const pollMs = 25;
const attempts = 20;
const pauseMs = 250;

export interface ServerStart {
  /** As messages call it. */
  readonly name: string;
  /** What is run to listen on `port`. */
  readonly command: (port: number) => Promise<ServerCommand>;
  /** Asked for each attempt. */
  readonly choosePort: () => Promise<number>;
  /** Told the number of its process as soon as it runs. */
  readonly onProcess?: (pid: number) => Promise<void>;
  /** Told the port once it is ready there. */
  readonly onReady: (port: number) => Promise<void>;
  /** Resolves when the server does its work; rejects with an error that is not `isFatal` while it does not yet. */
  readonly check: (port: number) => Promise<void>;
  readonly isFatal?: (error: unknown) => boolean;
  /** Its last words when another attempt may succeed: somebody took the port in the meantime, for example. */
  readonly passing: RegExp;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Starts a server and waits until it is ready.
 *
 * @throws Error with its last words; nothing is left running then
 */
export async function startServer(start: ServerStart): Promise<{ server: ServerProcess; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await start.choosePort();
    const server = await ServerProcess.start(await start.command(port));
    try {
      await start.onProcess?.(server.pid);
      await untilReady(server, port, start);
      await start.onReady(port);
      return { server, port };
    } catch (error) {
      await server.stop();
      start.signal?.throwIfAborted();
      const tail = server.logTail();
      if (!start.passing.test(tail) || attempt === attempts) {
        throw new Error(`${start.name} did not start: ${(error as Error).message}. Its last words:\n${tail}`, {
          cause: error,
        });
      }
      await delay(pauseMs);
    }
  }
}

async function untilReady(server: ServerProcess, port: number, { check, isFatal, signal }: ServerStart): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    signal?.throwIfAborted();
    if (!server.isRunning()) throw new Error(`it ended with ${await server.ended}`);
    try {
      return await check(port);
    } catch (error) {
      if (isFatal?.(error)) throw error;
      if (performance.now() > deadline) throw new Error('it was not ready in time', { cause: error });
    }
    await delay(pollMs);
  }
}

export interface LeftOver {
  /** As messages call it. */
  readonly name: string;
  /** Begins with the number of its process. Removed, as that number may be reused. */
  readonly pidFile: string;
  /** By which it is recognised: no other process has this argument. */
  readonly argument: string;
  readonly stopSteps: readonly StopStep[];
}

/** Stops a server that outlived a killed Hearth and holds the files that are wanted now. */
export async function stopLeftOver(leftOver: LeftOver, log: (line: string) => void): Promise<void> {
  const { name, pidFile, argument, stopSteps } = leftOver;
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10);
  if (Number.isNaN(pid)) return;
  const isOurs = () => runsWithArgument(pid, argument);
  if (isOurs()) {
    log(`stopping the ${name} (process ${pid}) that a killed Hearth left running`);
    if (!(await stopProcess(pid, isOurs, stopSteps))) throw new Error(`${name} (process ${pid}) cannot be stopped.`);
  }
  await rm(pidFile, { force: true });
}
