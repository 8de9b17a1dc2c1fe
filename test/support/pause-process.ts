import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from './eventually';

/**
 * Makes a process stand still until `resumeProcess`, as a machine that is paused does. It returns when none of its threads runs
 * any more: the kernel stops them one after the other, and on a busy machine a thread may answer long after the signal. One that
 * has ended, and whose parent does not know yet, stands still as well.
 */
export async function pauseProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await eventually(() => {
    if (!threadStates(pid).every((state) => /^[TZ]/.test(state))) throw new Error(`process ${pid} still runs`);
  });
}

/** Lets a process go on after `pauseProcess`. */
export function resumeProcess(pid: number): void {
  process.kill(pid, 'SIGCONT');
}

/** The state letters of its threads, as `ps` has them; of the process alone where there is no `/proc`. */
function threadStates(pid: number): string[] {
  if (process.platform !== 'linux') return [execFileSync('ps', ['-o', 'state=', '-p', `${pid}`], { encoding: 'utf8' })];
  // "pid (name) state …", and a name may hold anything.
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2);
  });
}
