import { every, type Repeated } from '@hearth/timing';
import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 5_000;
/** Of a look's time: somebody who waits for 50 ms once is then hardly anybody. */
const IDLE = 0.05;
const MIB = 1_048_576;
/** What a process has grown by that is worth it. */
const MUCH_BYTES = 48 * MIB;
/** A larger heap would stand still for longer: as its operator has chosen that size, nobody waits for its memory. */
const SMALL_BYTES = 192 * MIB;
/** Collections that follow each other: pages are given back that were empty in two of them. */
const TIMES = 2;

/** What is looked at, and what can be done about it. */
export interface Heap {
  /** Bytes of memory that the process takes, what lies outside of the heap included. */
  resident(): number;
  /** Of the heap, garbage and room included. */
  size(): number;
  /** How busy the process has been since it was last asked, 0 to 1. */
  utilization(): number;
  collect(): void;
}

/**
 * Gives back what a flood has left. V8 looks for garbage when something is allocated, so that a process that has nothing to do keeps it:
 * 100 to 150 MiB for minutes, most of it buffers that garbage holds. When next to nothing has happened for some seconds, the process has
 * grown by much and its heap is small, that is collected, for which everything stands still for some 50 ms.
 */
export class IdleCollection {
  private least = Infinity;
  private left = 0;

  constructor(private readonly heap: Heap) {}

  look(): void {
    const { heap } = this;
    const isIdle = heap.utilization() < IDLE;
    const before = heap.resident();
    this.least = Math.min(this.least, before);
    if (!isIdle || heap.size() > SMALL_BYTES) return;
    if (before > this.least + MUCH_BYTES) this.left = TIMES;
    if (this.left === 0) return;
    heap.collect();
    this.left--;
    // What is in use now is no garbage.
    this.least = heap.resident();
  }
}

/** Of this process. */
export function collectWhenIdle(): Repeated {
  let collect: (() => void) | undefined;
  let last = performance.eventLoopUtilization();
  const collection = new IdleCollection({
    resident: () => process.memoryUsage.rss(),
    size: () => getHeapStatistics().total_heap_size,
    utilization: () => {
      const { utilization } = performance.eventLoopUtilization(last);
      last = performance.eventLoopUtilization();
      return utilization;
    },
    collect: () => {
      collect ??= collector();
      collect();
    },
  });
  const looks: Repeated = every(
    LOOK_MS,
    () => collection.look(),
    // A Node that cannot do it does without.
    () => void looks.stop(),
  );
  return looks;
}

/** Node shows it to no program that was not started with a flag. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
