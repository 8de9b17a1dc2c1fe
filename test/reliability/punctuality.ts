import { type Fault, FAULTS } from './fault-plan';
import { type Intent, type Journal, messageKey } from './journal';

/** A fault, from its beginning until everybody got on again. */
export interface Outage {
  readonly fault: Fault;
  readonly beginsMs: number;
  readonly endsMs: number;
}

/** Faults that leave somebody to fire in time: what is late then is late. */
const HARMLESS: readonly Fault[] = ['kill sequencer'];

/** Whether nothing can fire while it lasts: no NATS, no Postgres to save it, or nobody who owns a partition and can act. */
function mayDelay(fault: Fault): boolean {
  const parts: readonly string[] = FAULTS[fault].parts;
  return (
    !HARMLESS.includes(fault) && parts.some((part) => part === 'nats' || part === 'postgres' || part === 'sequencer')
  );
}

export interface Firings {
  /** In words: those that came before their time. */
  readonly early: readonly string[];
  /** Of each that came, by how much it was later than its time, or than the end of what delayed it, ms. */
  readonly latenessMs: readonly number[];
  /** In words: those that came later than they may. */
  readonly late: readonly string[];
}

/** Promise R11. */
export const LATE_MS = 1_000;

/** How scheduled messages kept their times (promise R11). */
export function firings(intents: readonly Intent[], fired: Journal['fired'], outages: readonly Outage[]): Firings {
  const early: string[] = [];
  const latenessMs: number[] = [];
  const late: string[] = [];
  const delaying = outages.filter(({ fault }) => mayDelay(fault));
  for (const { publisher, n, dueMs } of intents) {
    if (dueMs === undefined) continue;
    const key = messageKey(publisher, n);
    const firing = fired.get(key);
    if (firing === undefined) continue;
    if (firing.seenMs < dueMs) early.push(`${key} came ${dueMs - firing.seenMs} ms before its time`);
    const ms = Math.max(0, firing.idMs - expectedMs(dueMs, delaying));
    latenessMs.push(ms);
    if (ms > LATE_MS) late.push(`${key} (${firing.id}), due at ${new Date(dueMs).toISOString()}, came ${ms} ms late`);
  }
  return { early, latenessMs, late };
}

/** When it can fire at last: at its time, or when the outages that cover that time are over. */
function expectedMs(dueMs: number, outages: readonly Outage[]): number {
  let expected = dueMs;
  for (const { beginsMs, endsMs } of outages) if (beginsMs <= expected && expected < endsMs) expected = endsMs;
  return expected;
}

/** The value that 99 of 100 do not exceed; 0 where there are none. */
export function p99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? 0;
}
