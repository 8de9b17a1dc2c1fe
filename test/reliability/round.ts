import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually';
import type { Backend } from './backend';
import type { Cluster } from './cluster';
import type { Blow, Fault, Step } from './fault-plan';
import { CannotBreak, inflict } from './faults';
import type { ConnectionLog } from './journal';
import { Load } from './load';
import { type Evidence, judge, type Offence } from './oracle';
import { firings, type Outage } from './punctuality';
import { statePicture } from './state-picture';

/** What a round found: every count is of broken promises, but for `told`. */
export interface RoundResult {
  readonly counts: Readonly<Record<Column, number>>;
  readonly told: Readonly<Record<Figure, number>>;
  /** How late each schedule was that nothing delayed, ms. */
  readonly latenessMs: readonly number[];
  /** Longest time from a fault's end until everybody got on, ms. */
  readonly recoveryMs: ReadonlyMap<Fault, number>;
  /** How often each steady subscriber was disconnected. */
  readonly disconnections: readonly number[];
  /** The first of each kind of offence, in words. */
  readonly examples: readonly string[];
  /** Faults that could not be made. */
  readonly skipped: readonly string[];
  /** Streams and partitions when somebody waited in vain; empty when nobody did. */
  readonly pictures: readonly string[];
  /** What was compared, for whoever looks for the reason. */
  readonly evidence: Evidence;
}

/** What is promised to be 0. */
export type Column = Offence | 'early' | 'ghosts' | 'eventsLost' | 'eventsInverted' | 'stuck' | 'ended' | 'unexpected';

/** What is said of a run besides. */
export type Figure =
  'acked' | 'refused' | 'unknown' | 'deliveries' | 'connections' | 'resumes' | 'unsure' | 'holes' | 'faults';

export const CHANNELS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
/** Longer than anything takes to heal; what takes longer is stuck. */
const HEALS_WITHIN_MS = 60_000;
/** A killed gateway is buried after its lease (15 s) and the time that another must have seen Postgres answer. */
const EVENTS_WITHIN_MS = 60_000;

/** A cluster and its backend, round after round. */
export class Chaos {
  /** Those of the round before, whose ends a backend may not have been told of yet. */
  private ended: readonly ConnectionLog[] = [];

  constructor(
    private readonly cluster: Cluster,
    private readonly backend: Backend,
    private readonly paceMs: number,
    private readonly log: (line: string) => void = () => undefined,
  ) {}

  /** Puts a load on the cluster, breaks what the steps say, lets it heal and compares. */
  async round(name: string, seed: number, steps: readonly Step[]): Promise<RoundResult> {
    const load = new Load(this.cluster, { name, channels: CHANNELS, seed, paceMs: this.paceMs, isVaried: true });
    try {
      await load.start();
      this.log('everybody is there');
      const course = new Course(this.cluster, load, this.log);
      for (const step of steps) await course.take(step);
      return await this.judge(load, course);
    } finally {
      load.abandon();
    }
  }

  /** Waits for what a backend is told last. @returns what it was not told */
  async finish(): Promise<readonly string[]> {
    return this.untilTold(() => this.backend.missing([], this.ended));
  }

  private async judge(load: Load, course: Course): Promise<RoundResult> {
    const { journal, intruder } = load;
    this.log('the last fault is healed');
    const evidence = await load.finish();
    this.log('everybody is up to date');
    const ghosts = await load.ghosts();
    const { examples, ...counts } = judge(evidence);
    const storage = await load.storage?.judge();
    const { early, latenessMs, late } = firings(journal.intents, journal.fired, course.outages);
    load.abandon();
    this.log('compared');
    for (const what of late) this.log(what);
    const missing = await this.untilTold(() => this.backend.missing(journal.intents, this.ended));
    const events = this.backend.endRound(missing);
    // One that has done nothing yet when its gateway is killed may have been nothing to a backend.
    const known = journal.connections.filter(({ subscriptions }) => subscriptions.length > 0);
    this.ended = known.map(({ id, label, gateway }) => ({ id, label, gateway, subscriptions: [], arrivals: [] }));
    const leaks = intruder?.leaks ?? [];
    const stuck = [...course.stuck, ...load.stuck];
    const ended = this.cluster.nodes.flatMap((node) => node.ends.splice(0));
    const { complaints } = journal;
    return {
      counts: {
        ...counts,
        lost: counts.lost + (storage?.lost.length ?? 0),
        inverted: counts.inverted + (storage?.inverted.length ?? 0),
        disagreeing: counts.disagreeing + (storage?.disagreeing.length ?? 0),
        leaked: counts.leaked + leaks.length,
        early: early.length,
        ghosts: ghosts.length,
        eventsLost: events.eventsLost,
        eventsInverted: events.eventsInverted,
        stuck: stuck.length,
        ended: ended.length,
        unexpected: complaints.length,
      },
      told: {
        acked: journal.count('acked'),
        refused: journal.count('refused'),
        unknown: journal.count('unknown'),
        deliveries: journal.connections.reduce((sum, { arrivals }) => sum + arrivals.length, 0),
        connections: journal.connections.length,
        resumes: load.completeResumes,
        unsure: load.incompleteResumes,
        holes: load.toldHoles,
        faults: course.faults,
      },
      latenessMs,
      recoveryMs: course.recoveryMs,
      disconnections: load.steady.map(({ connectionCount }) => connectionCount - 1),
      examples: [
        ...examples,
        ...Object.values(storage ?? {})
          .flat()
          .slice(0, 10),
        ...[leaks, early, ghosts, events.examples, stuck, ended, complaints].flatMap((all) => all.slice(0, 10)),
      ],
      skipped: course.skipped,
      pictures: course.pictures,
      evidence,
    };
  }

  private async untilTold(missing: () => readonly string[]): Promise<readonly string[]> {
    await eventually(() => {
      if (missing().length > 0) throw new Error('a backend was not told of everything');
    }, EVENTS_WITHIN_MS).catch(() => undefined);
    return missing();
  }
}

/** The faults of one round, one step after the other. */
class Course {
  readonly stuck: string[] = [];
  readonly skipped: string[] = [];
  readonly pictures: string[] = [];
  readonly outages: Outage[] = [];
  readonly recoveryMs = new Map<Fault, number>();
  faults = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly load: Load,
    private readonly log: (line: string) => void,
  ) {}

  /** Breaks and heals, and waits until everybody gets on. */
  async take({ blows, pauseMs }: Step): Promise<void> {
    const beginsMs = Date.now();
    this.log(blows.map(({ fault, target, ms }) => `${fault} (${target}, ${ms} ms)`).join(' and '));
    await Promise.all(blows.map((blow) => this.inflict(blow)));
    const healedMs = Date.now();
    try {
      await this.load.progress(1, HEALS_WITHIN_MS);
    } catch (error) {
      this.stuck.push(`after ${namesOf(blows)}: ${(error as Error).message}`);
      this.pictures.push(await statePicture(this.cluster));
    }
    const recoveredMs = Date.now();
    for (const { fault } of blows) {
      this.outages.push({ fault, beginsMs, endsMs: recoveredMs });
      this.recoveryMs.set(fault, Math.max(this.recoveryMs.get(fault) ?? 0, recoveredMs - healedMs));
    }
    await delay(pauseMs);
  }

  private async inflict(blow: Blow): Promise<void> {
    this.faults++;
    try {
      await inflict(this.cluster, blow, this.load);
    } catch (error) {
      const what = `${blow.fault}: ${(error as Error).message}`;
      if (error instanceof CannotBreak) this.skipped.push(what);
      else this.stuck.push(what);
    }
  }
}

const namesOf = (blows: readonly Blow[]): string => blows.map(({ fault }) => fault).join(' and ');
