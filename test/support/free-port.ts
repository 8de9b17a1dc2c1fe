import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isFree } from '@hearth/embedded';

/**
 * Below those that Hearth gives to its own servers (from 10,000), and below those that systems give to outgoing connections
 * and to whoever listens on port 0 (from 32,768).
 */
const [LOWEST, HIGHEST] = [5_500, 10_000];
/** `fetch` refuses to speak to these (Fetch Standard, "bad ports"), and so do browsers. */
const REFUSED = new Set([6_000, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669, 6_679, 6_697]);
/** One file a port, with the process that has it. */
const reservations = join(tmpdir(), `hearth-test-ports-${userInfo().username}`);
/** Those of this process. */
const reserved: string[] = [];

/**
 * A TCP port of 127.0.0.1 that is this process's until it ends: no other test takes it before it is listened on, or while
 * what listens on it is restarted. For what can say which port it got, 0 is simpler.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!REFUSED.has(port) && reserve(port) && (await isFree(port))) return port;
  }
}

function reserve(port: number): boolean {
  const file = join(reservations, String(port));
  mkdirSync(reservations, { recursive: true });
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch {
    // One whose owner was killed is free from the next attempt on.
    if (!isRunning(ownerOf(file))) rmSync(file, { force: true });
    return false;
  }
  if (reserved.push(file) === 1) process.once('exit', () => reserved.forEach((own) => rmSync(own, { force: true })));
  return true;
}

function ownerOf(file: string): number {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10);
  } catch {
    return process.pid; // It has just been given back, or not been written yet.
  }
}

function isRunning(pid: number): boolean {
  // Its owner is about to write its number.
  if (Number.isNaN(pid)) return true;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
