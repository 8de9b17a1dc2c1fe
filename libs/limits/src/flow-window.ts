/**
 * How much of what was sent may be on its way at a time, found out from how long it takes (limits §5). So nothing piles up
 * where nobody can go by: what cannot be worked on yet waits where turns are given.
 */
export class FlowWindow {
  private size = START;
  private sent = 0;
  private arrived = 0;
  private nextProbeAt = PROBE_EVERY;
  /** How much had been sent up to each probe, and when. */
  private readonly probes = new Map<number, { readonly sent: number; readonly atMs: number }>();
  private probesSent = 0;
  /** Whether somebody answers probes, as far as is known. */
  private isWatched = true;
  private answeredAtMs = -Infinity;
  private wasFull = false;
  private least = Infinity;
  private leastBefore = Infinity;
  private leastSinceMs = -Infinity;
  /** So much had been sent when it was made narrower. */
  private narrowedAt = 0;

  /**
   * Whether one more may be sent. Always, while nobody answers probes, which takes a while to find out: what waits then waits in
   * the stream.
   */
  get isOpen(): boolean {
    if (!this.isWatched || this.sent - this.arrived < this.size) return true;
    this.wasFull = true;
    return false;
  }

  /** Whether there is still room for who has nothing on its way. */
  get hasReserve(): boolean {
    return this.sent - this.arrived < this.size * RESERVE;
  }

  /** So much has been sent. */
  get sentSoFar(): number {
    return this.sent;
  }

  /** Of what was sent, so much is known to have been worked on. */
  get arrivedSoFar(): number {
    return this.arrived;
  }

  /**
   * Something is sent.
   *
   * @param canProbe whether it can ask for an answer when it has been worked on
   * @returns the number of the probe that it shall be, now and then
   */
  send(canProbe: boolean, nowMs: number): number | undefined {
    this.sent++;
    if (!canProbe || this.sent < this.nextProbeAt || this.probes.size >= MOST_PROBES) return undefined;
    this.nextProbeAt = this.sent + PROBE_EVERY;
    const probe = ++this.probesSent;
    this.probes.set(probe, { sent: this.sent, atMs: nowMs });
    return probe;
  }

  /** A probe has been worked on, and so has everything before it. */
  answered(probe: number, nowMs: number): void {
    const known = this.probes.get(probe);
    if (known === undefined) return;
    for (const earlier of this.probes.keys()) {
      this.probes.delete(earlier);
      if (earlier === probe) break;
    }
    this.arrived = Math.max(this.arrived, known.sent);
    this.isWatched = true;
    this.answeredAtMs = nowMs;
    this.adapt(nowMs - known.atMs, known.sent, nowMs);
  }

  /** Looks whether probes are answered at all; call it some times a second while something waits. */
  look(nowMs: number): void {
    const [oldest] = this.probes.values();
    if (oldest === undefined) {
      // Nothing on its way could say how far it has come.
      if (!this.isOpenBySize) this.release();
    } else if (nowMs - Math.max(oldest.atMs, this.answeredAtMs) > SILENT_MS) this.release();
  }

  private get isOpenBySize(): boolean {
    return this.sent - this.arrived < this.size;
  }

  private release(): void {
    this.isWatched = false;
    this.probes.clear();
    this.arrived = this.sent;
    this.nextProbeAt = this.sent + PROBE_EVERY;
  }

  private adapt(delayMs: number, sent: number, nowMs: number): void {
    const slowMs = Math.min(SLOWEST_MS, Math.max(SLOW_MS, 2 * this.leastDelayMs(delayMs, nowMs)));
    if (delayMs > slowMs) {
      // What was sent before the last time knew nothing of that.
      if (sent <= this.narrowedAt) return;
      this.size = Math.max(LEAST, this.size * Math.max(0.5, slowMs / delayMs));
      this.narrowedAt = this.sent;
    } else if (this.wasFull) {
      // A window that was not full says nothing about a larger one. Half as much again each time it has gone round.
      this.size = Math.min(MOST, this.size + PROBE_EVERY / 2);
    }
    this.wasFull = false;
  }

  /** The way itself, on a machine that is busy with other things, too: the least that it took in the last seconds. */
  private leastDelayMs(delayMs: number, nowMs: number): number {
    if (nowMs - this.leastSinceMs > LEAST_OF_MS) {
      this.leastBefore = this.least;
      this.least = Infinity;
      this.leastSinceMs = nowMs;
    }
    this.least = Math.min(this.least, delayMs);
    return Math.min(this.least, this.leastBefore);
  }
}

const START = 256;
const LEAST = 32;
const MOST = 65_536;
/** What a window may be overdrawn by those who have nothing on their way. */
const RESERVE = 1.5;
/** Each costs a message: one of so many is a probe. */
const PROBE_EVERY = 16;
const MOST_PROBES = 4_096;
/** What is on its way for longer than this waits behind too much else. */
const SLOW_MS = 12;
/** Whatever the machine is busy with: a window that lets others wait would find them slow. */
const SLOWEST_MS = 25;
const LEAST_OF_MS = 3_000;
/** Without any answer for so long nobody is there who would give one; that answers are late is the reason to wait. */
const SILENT_MS = 1_000;
