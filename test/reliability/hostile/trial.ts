import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Experience, watch } from './bystanders';
import type { Target } from './installation';
import type { Scenario } from './scenarios';

/** What is attacked. */
export interface Attacked {
  readonly target: Target;
  /** CPU that it has used, ms. */
  cpuMs(): Promise<number>;
  /** Memory that it has, MiB. */
  memoryMiB(): Promise<number>;
}

/** What an attack cost. */
export interface Cost {
  readonly scenario: Scenario;
  readonly others: Experience;
  /** CPU of the attacked for each second, and of that what nobody attacked would have used, ms. */
  readonly cpuMs: number;
  readonly idleCpuMs: number;
  /** Of the attacked, over what it had before: at most, and when it had come back or 30 s had passed. */
  readonly mostMiB: number;
  readonly leftMiB: number;
}

/** Nobody attacks: what everything is compared with. */
export interface Peace {
  readonly others: Experience;
  readonly cpuMs: number;
}

/** What is broken, in words; nothing when all holds. */
export type Verdict = readonly string[];

/** Memory has to be back in this time (issue 11). */
const BACK_WITHIN_S = 30;
/** What a garbage collector that nobody hurries leaves lying. */
const BACK_MIB = 64;
/** Nobody's message waits for more than this, or twice as long as in peace (limits §5). */
const LONGEST_MS = 50;
/** CPU that a peer without a token may cost for each second, ms. */
const PEER_CPU_MS = 5;

/** An installation in peace for so long. */
export async function peace(installation: Attacked, seconds: number): Promise<Peace> {
  const before = await installation.cpuMs();
  const begin = performance.now();
  const others = await watch(installation.target, seconds);
  return { others, cpuMs: perSecond((await installation.cpuMs()) - before, begin) };
}

/** Attacks an installation for so long, and looks what that does to everybody else. */
export async function attack(
  installation: Attacked,
  scenario: Scenario,
  seconds: number,
  { cpuMs: idleCpuMs }: Peace,
): Promise<Cost> {
  const before = await installation.memoryMiB();
  const attacker = fork(join(__dirname, 'attacker.ts'), [scenario.name, JSON.stringify(installation.target)], {
    execArgv: ['-r', join(__dirname, '../../support/typescript-hook.cjs')],
  });
  try {
    // It has begun by then.
    await delay(1_500);
    const cpuBefore = await installation.cpuMs();
    const begin = performance.now();
    const others = await watch(installation.target, seconds);
    const cpuMs = perSecond((await installation.cpuMs()) - cpuBefore, begin);
    const most = await installation.memoryMiB();
    await end(attacker);
    const left = await comeBack(installation, before);
    return {
      scenario,
      others,
      cpuMs,
      idleCpuMs,
      mostMiB: Math.max(0, most - before),
      leftMiB: Math.max(0, left - before),
    };
  } finally {
    await end(attacker);
  }
}

async function end(attacker: ReturnType<typeof fork>): Promise<void> {
  if (attacker.exitCode !== null || attacker.signalCode !== null) return;
  attacker.kill('SIGKILL');
  await once(attacker, 'exit');
}

async function comeBack(installation: Attacked, before: number): Promise<number> {
  const until = performance.now() + 1_000 * BACK_WITHIN_S;
  let now = await installation.memoryMiB();
  while (now - before > BACK_MIB && performance.now() < until) {
    await delay(1_000);
    now = await installation.memoryMiB();
  }
  return now;
}

/** Judges an attack by what is promised; a machine that is busy with other things breaks times for itself. */
export function judge({ scenario, others, cpuMs, idleCpuMs, leftMiB }: Cost, { others: before }: Peace): Verdict {
  const most = (ms: number): number => Math.max(LONGEST_MS, 2 * ms);
  const perPeer = Math.max(0, cpuMs - idleCpuMs) / (scenario.peers ?? 1);
  const broken = [
    others.lost > 0 && `${others.lost} messages lost or out of order`,
    others.messageP99 > most(before.messageP99) &&
      `messages ${others.messageP99} ms, at most ${most(before.messageP99)}`,
    others.connectP99 > most(before.connectP99) &&
      `connecting ${others.connectP99} ms, at most ${most(before.connectP99)}`,
    scenario.who === 'nobody' && perPeer > PEER_CPU_MS && `${perPeer.toFixed(1)} ms of CPU for each peer and second`,
    leftMiB > BACK_MIB && `${leftMiB} MiB are not back after ${BACK_WITHIN_S} s`,
  ];
  return broken.filter((line) => line !== false);
}

function perSecond(ms: number, begin: number): number {
  return Math.round(ms / ((performance.now() - begin) / 1_000));
}
