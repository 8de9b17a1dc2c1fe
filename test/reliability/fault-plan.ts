import type { NatsSize } from './cluster';
import { generator } from './random';

/** What is broken: two faults that share something are never there at once, because one would heal the other. */
type Part = 'gateway' | 'sequencer' | 'publish-api' | 'history' | 'webhooks' | 'nats' | 'postgres' | 'clients';

interface Kind {
  readonly parts: readonly Part[];
  /** How long it lasts, ms. */
  readonly ms: readonly [least: number, most: number];
  /** Needs three nats-servers. */
  readonly needsThree?: true;
  /** Needs a nats-server that is alone. */
  readonly needsOne?: true;
}

/** Longer than the lease of a sequencer (4 s), so that another owns its partitions when it wakes up. */
const BEYOND_LEASE_MS = [6_000, 12_000] as const;
const BRIEF_MS = [100, 3_000] as const;
/** Shorter and longer than clients of NATS and of Postgres wait. */
const OUTAGE_MS = [200, 8_000] as const;
const SLOW_MS = [3_000, 8_000] as const;
const MOMENT = [0, 0] as const;
const EVERYTHING: readonly Part[] = [
  'gateway',
  'sequencer',
  'publish-api',
  'history',
  'webhooks',
  'nats',
  'postgres',
  'clients',
];

/** Every fault there is. How each is done is in `faults.ts`. */
export const FAULTS = {
  'kill publish-api': { parts: ['publish-api'], ms: BRIEF_MS },
  'kill sequencer': { parts: ['sequencer'], ms: OUTAGE_MS },
  'kill both sequencers': { parts: ['sequencer'], ms: BRIEF_MS },
  'kill gateway': { parts: ['gateway'], ms: BRIEF_MS },
  'kill history': { parts: ['history'], ms: BRIEF_MS },
  'kill webhooks': { parts: ['webhooks'], ms: BRIEF_MS },
  'pause sequencer': { parts: ['sequencer'], ms: BEYOND_LEASE_MS },
  'pause gateway': { parts: ['gateway'], ms: OUTAGE_MS },
  'pause publish-api': { parts: ['publish-api'], ms: OUTAGE_MS },
  'pause webhooks': { parts: ['webhooks'], ms: OUTAGE_MS },
  'kill NATS': { parts: ['nats'], ms: OUTAGE_MS },
  'restart NATS': { parts: ['nats'], ms: MOMENT },
  'pause NATS': { parts: ['nats'], ms: BRIEF_MS },
  'delete deliver stream': { parts: ['nats'], ms: MOMENT },
  'delete ingest streams': { parts: EVERYTHING, ms: MOMENT },
  'delete events stream': { parts: EVERYTHING, ms: MOMENT },
  'wipe NATS': { parts: EVERYTHING, ms: MOMENT, needsOne: true },
  'kill Postgres': { parts: ['postgres'], ms: OUTAGE_MS },
  'freeze Postgres': { parts: ['postgres'], ms: OUTAGE_MS },
  'cut database connections': { parts: ['postgres'], ms: BRIEF_MS },
  'cut gateway off': { parts: ['gateway'], ms: OUTAGE_MS },
  'deafen gateway': { parts: ['gateway'], ms: OUTAGE_MS },
  'silence gateway': { parts: ['gateway'], ms: OUTAGE_MS },
  'cut sequencer off': { parts: ['sequencer'], ms: OUTAGE_MS },
  'deafen sequencer': { parts: ['sequencer'], ms: OUTAGE_MS },
  'silence sequencer': { parts: ['sequencer'], ms: OUTAGE_MS },
  'lose messages to gateway': { parts: ['gateway'], ms: SLOW_MS },
  'repeat messages to gateway': { parts: ['gateway'], ms: SLOW_MS },
  'slow link of gateway': { parts: ['gateway'], ms: SLOW_MS },
  'slow link of sequencer': { parts: ['sequencer'], ms: SLOW_MS },
  'wrong clock of publish-api': { parts: ['publish-api'], ms: SLOW_MS },
  'wrong clock of sequencer': { parts: ['sequencer'], ms: SLOW_MS },
  'wrong clock of gateway': { parts: ['gateway'], ms: SLOW_MS },
  'rolling restart': { parts: EVERYTHING, ms: MOMENT },
  'pause readers': { parts: ['clients'], ms: OUTAGE_MS },
  'storm of connections': { parts: ['clients'], ms: MOMENT },
  'reconnect everybody': { parts: ['clients'], ms: MOMENT },
  'cut NATS node off': { parts: ['nats'], ms: OUTAGE_MS, needsThree: true },
  'silence NATS node': { parts: ['nats'], ms: OUTAGE_MS, needsThree: true },
  'step down leaders': { parts: ['nats'], ms: MOMENT, needsThree: true },
  'rolling restart of NATS': { parts: ['nats'], ms: MOMENT, needsThree: true },
} as const satisfies Readonly<Record<string, Kind>>;

export type Fault = keyof typeof FAULTS;

/** One thing that is broken and healed again. */
export interface Blow {
  readonly fault: Fault;
  /** Which of several: to be taken modulo how many there are. */
  readonly target: number;
  readonly ms: number;
  /** From 0 to 1, for whatever else there is to choose. */
  readonly choice: number;
}

/** One or two blows at once, and a pause once everything works again. */
export interface Step {
  readonly blows: readonly Blow[];
  readonly pauseMs: number;
}

const STEPS_PER_ROUND = 8;
/** Of all steps, those in which two things are broken at once. */
const DOUBLE_SHARE = 0.3;
const PAUSE_MS = [200, 2_000] as const;

/**
 * The rounds of a run: what is broken, in which order, for how long. Every fault comes up before any comes again. Pure: the same
 * seed gives the same rounds, and the first ones of a long run are those of a short one.
 */
export function* planRounds(seed: number, size: NatsSize, wanted?: readonly Fault[]): Generator<readonly Step[]> {
  const random = generator(seed);
  const between = ([least, most]: readonly [number, number]): number => Math.round(least + random() * (most - least));
  const all = wanted ?? (Object.keys(FAULTS) as Fault[]);
  const possible = all.filter((fault) => isPossible(fault, size));
  if (possible.length === 0) throw new Error('none of these faults is possible with so many nats-servers');
  let deck: Fault[] = [];
  const draw = (isFitting: (fault: Fault) => boolean): Fault | undefined => {
    if (deck.length === 0) deck = shuffled(possible, random);
    const place = deck.findIndex(isFitting);
    return place < 0 ? undefined : deck.splice(place, 1)[0];
  };
  const blow = (fault: Fault): Blow => ({
    fault,
    target: Math.floor(random() * 6),
    ms: between(FAULTS[fault].ms),
    choice: random(),
  });
  for (;;) {
    const steps: Step[] = [];
    while (steps.length < STEPS_PER_ROUND) {
      const first = draw(() => true);
      if (first === undefined) continue;
      const second = random() < DOUBLE_SHARE ? draw((fault) => areApart(first, fault)) : undefined;
      const blows = second === undefined ? [blow(first)] : [blow(first), blow(second)];
      steps.push({ blows, pauseMs: between(PAUSE_MS) });
    }
    yield steps;
  }
}

/** Whether they have no part in common. */
export function areApart(one: Fault, other: Fault): boolean {
  const parts: readonly Part[] = FAULTS[one].parts;
  return FAULTS[other].parts.every((part) => !parts.includes(part));
}

/** With so many nats-servers. */
export const isPossible = (fault: Fault, size: NatsSize): boolean =>
  !((size === 3 ? 'needsOne' : 'needsThree') in FAULTS[fault]);

function shuffled(faults: readonly Fault[], random: () => number): Fault[] {
  const left = [...faults];
  const deck: Fault[] = [];
  while (left.length > 0) deck.push(...left.splice(Math.floor(random() * left.length), 1));
  return deck;
}
