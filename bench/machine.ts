import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** Where the numbers come from. */
export interface Machine {
  readonly system: string;
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  readonly node: string;
  /** Files one process may have open; Node raises its own limit to this by itself. */
  readonly openFiles: number;
}

/** What systems allow when they do not say. */
const COMMON_OPEN_FILES = 10_240;

function openFileLimit(): number {
  try {
    const answer = execFileSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
    return answer === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(answer);
  } catch {
    return COMMON_OPEN_FILES;
  }
}

export function describeMachine(): Machine {
  return {
    system: `${type()} ${release()}`,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    openFiles: openFileLimit(),
  };
}
