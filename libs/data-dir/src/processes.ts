import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What the operating system knows of a process: enough to tell it from a later one with the same number. */
interface ProcessFacts {
  readonly state: string;
  readonly startedAt: string;
}

/** A signal and how long to wait, in ms, before the next, harsher one. */
export interface StopStep {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
}

const pollMs = 20;

/**
 * Identity of a running process: its start time, which together with its number is unique on one machine.
 * `undefined` when there is no such process, or only its zombie (in a container nobody may ever reap it).
 */
export function processIdentity(pid: number): string | undefined {
  const facts = process.platform === 'linux' ? linuxFacts(pid) : psFacts(pid);
  return facts === undefined || facts.state.startsWith('Z') ? undefined : facts.startedAt;
}

/** Whether process `pid` runs with `argument` as one of its arguments: how a server we left behind is recognised. */
export function runsWithArgument(pid: number, argument: string): boolean {
  try {
    const commandLine =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
    return `${commandLine.trim()} `.includes(` ${argument} `);
  } catch {
    return false;
  }
}

/**
 * Stops a process: each step sends its signal and waits for the end.
 *
 * @param isRunning asked before every signal, so that a number taken over by a stranger is never signalled
 * @returns whether the process has ended
 */
export async function stopProcess(pid: number, isRunning: () => boolean, steps: readonly StopStep[]): Promise<boolean> {
  for (const { signal, waitMs } of steps) {
    if (!isRunning()) return true;
    sendSignal(pid, signal);
    const deadline = performance.now() + waitMs;
    while (isRunning() && performance.now() < deadline) await delay(pollMs);
  }
  return !isRunning();
}

/**
 * Stops processes while nothing else of ours runs any more: blocks until all have ended, and kills those that have not
 * after `waitMs`.
 */
export function stopProcessesNow(
  processes: readonly { readonly pid: number; readonly stopSteps: readonly StopStep[] }[],
  waitMs: number,
): void {
  // Nobody waits for our children now: those that end stay zombies, which have no identity.
  const alive = () => processes.filter(({ pid }) => processIdentity(pid) !== undefined);
  for (const { pid, stopSteps } of alive()) sendSignal(pid, stopSteps[0]?.signal ?? 'SIGTERM');
  const deadline = performance.now() + waitMs;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (alive().length > 0 && performance.now() < deadline) Atomics.wait(clock, 0, 0, pollMs);
  for (const { pid } of alive()) sendSignal(pid, 'SIGKILL');
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended between the look and the signal, which is what we wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function linuxFacts(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself, so fields are counted behind the last one (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { state: fields[0] ?? '', startedAt: `${boot} ${fields[19] ?? ''}` };
  } catch {
    return undefined;
  }
}

function psFacts(pid: number): ProcessFacts | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
    const [state = '', ...startedAt] = line.trim().split(/\s+/);
    return { state, startedAt: startedAt.join(' ') };
  } catch {
    return undefined;
  }
}
