import { installationNow } from '@hearth/timing';

/** When a schedule is due. */
export interface ScheduleTime {
  readonly scheduleId: string;
  /** ms since 1970 */
  readonly dueMs: number;
}

/** What a timer needs of its partition. */
export interface SchedulesOfPartition {
  /** Schedules that the database does not have yet. */
  unsaved(): Iterable<ScheduleTime>;
  /** Those in the database that are due until then and come after `after`, by due time and name. */
  load(untilMs: number, after: ScheduleTime, limit: number): Promise<readonly ScheduleTime[]>;
  /**
   * Says on the partition's stream that a schedule's time has come; that decides, so it may be said twice.
   *
   * @param id names the attempt
   */
  fire(scheduleId: string, id: string): Promise<void>;
  onFailure(error: unknown, what: string): void;
}

/** Schedules that are due within this time are kept in memory; the rest stays in the database alone. */
const WINDOW_MS = 60_000;
const LOAD_EVERY_MS = 20_000;
const LOAD_AT_ONCE = 1_000;
/** Operations on their way to the stream at a time, so that what else is published there does not wait long. */
const FIRE_AT_ONCE = 500;
const RETRY_MS = 250;
const FIRST: ScheduleTime = { scheduleId: '', dueMs: 0 };

/**
 * Knows when the schedules of one partition are due, and says so when it is time. It may be wrong in every way but
 * silence: whether something fires is decided where it is applied (`takeDue`), by the stream's clock.
 */
export class ScheduleTimer {
  /** Names by the instant at which to fire them, in the order in which they came. */
  private readonly armed = new Map<number, Set<string>>();
  /** Schedules that are accepted and due until then are armed; later ones come with a load. */
  private knownUntilMs = 0;
  private wakeAtMs = Infinity;
  private alarm: NodeJS.Timeout | undefined;
  private nextLoad: NodeJS.Timeout | undefined;
  private firing: Promise<void> | undefined;
  private isStopped = false;

  constructor(private readonly partition: SchedulesOfPartition) {}

  start(): void {
    void this.keepLoaded();
  }

  /** What has not fired yet is in the database, for the next owner. */
  stop(): void {
    this.isStopped = true;
    clearTimeout(this.alarm);
    clearTimeout(this.nextLoad);
    this.armed.clear();
  }

  /** A schedule was accepted. */
  accepted({ scheduleId, dueMs }: ScheduleTime): void {
    if (dueMs <= this.knownUntilMs) this.arm(scheduleId, dueMs);
  }

  /** A schedule was fired too early, by so many ms on the stream's clock. */
  early(scheduleId: string, byMs: number): void {
    this.arm(scheduleId, installationNow() + byMs);
  }

  /** A schedule is gone. */
  gone({ scheduleId, dueMs }: ScheduleTime): void {
    this.disarm(scheduleId, dueMs);
  }

  private async keepLoaded(): Promise<void> {
    let waitMs = LOAD_EVERY_MS;
    try {
      await this.load(installationNow() + WINDOW_MS);
    } catch (error) {
      this.partition.onFailure(error, 'schedules could not be loaded, trying again');
      waitMs = RETRY_MS;
    }
    if (!this.isStopped) this.nextLoad = setTimeout(() => void this.keepLoaded(), waitMs);
  }

  private async load(untilMs: number): Promise<void> {
    // What is saved while we read is in none of the pages, so what is unsaved comes first.
    this.knownUntilMs = untilMs;
    for (const { scheduleId, dueMs } of this.partition.unsaved()) if (dueMs <= untilMs) this.arm(scheduleId, dueMs);
    let after = FIRST;
    for (;;) {
      const page = await this.partition.load(untilMs, after, LOAD_AT_ONCE);
      for (const { scheduleId, dueMs } of page) this.arm(scheduleId, dueMs);
      const last = page.at(-1);
      if (this.isStopped || last === undefined || page.length < LOAD_AT_ONCE) return;
      // After a downtime what is overdue must not all be in memory at once.
      if (last.dueMs < installationNow()) await this.fireDue();
      after = last;
    }
  }

  private arm(scheduleId: string, atMs: number): void {
    if (this.isStopped) return;
    const others = this.armed.get(atMs);
    if (others === undefined) this.armed.set(atMs, new Set([scheduleId]));
    else others.add(scheduleId);
    if (atMs < this.wakeAtMs) this.setAlarm(atMs);
  }

  private disarm(scheduleId: string, atMs: number): void {
    const names = this.armed.get(atMs);
    if (names?.delete(scheduleId) === true && names.size === 0) this.armed.delete(atMs);
  }

  private setAlarm(atMs: number): void {
    clearTimeout(this.alarm);
    this.wakeAtMs = atMs;
    if (atMs === Infinity) return;
    // One whose time has come but not passed would only be armed again.
    const waitMs = Math.min(Math.max(0, atMs + 1 - installationNow()), WINDOW_MS);
    this.alarm = setTimeout(() => void this.fireDue(), waitMs);
  }

  private fireDue(): Promise<void> {
    this.firing ??= this.fireAllDue().finally(() => {
      this.firing = undefined;
      if (!this.isStopped) this.setAlarm(Math.min(...this.armed.keys()));
    });
    return this.firing;
  }

  private async fireAllDue(): Promise<void> {
    for (let due = this.due(); due.length > 0 && !this.isStopped; due = this.due()) await this.fire(due);
  }

  /** The next ones whose time has passed, in its order; they are armed until they have been fired. */
  private due(): ScheduleTime[] {
    const nowMs = installationNow();
    const instants = [...this.armed.keys()].filter((atMs) => atMs < nowMs).sort((a, b) => a - b);
    const due: ScheduleTime[] = [];
    for (const dueMs of instants) {
      for (const scheduleId of this.armed.get(dueMs) ?? []) {
        due.push({ scheduleId, dueMs });
        if (due.length === FIRE_AT_ONCE) return due;
      }
    }
    return due;
  }

  private async fire(due: readonly ScheduleTime[]): Promise<void> {
    const fired = await Promise.allSettled(due.map((one) => this.fireOne(one)));
    const failed = fired.find((result) => result.status === 'rejected');
    if (failed === undefined || this.isStopped) return;
    this.partition.onFailure(failed.reason, 'schedules could not be fired, trying again');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  private async fireOne({ scheduleId, dueMs }: ScheduleTime): Promise<void> {
    await this.partition.fire(scheduleId, `${scheduleId}.${dueMs}`);
    this.disarm(scheduleId, dueMs);
  }
}
