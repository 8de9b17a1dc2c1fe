import { areApart, type Fault, FAULTS, isPossible, planRounds, type Step } from './fault-plan';

const rounds = (seed: number, size: 1 | 3, count: number): (readonly Step[])[] => {
  const plan = planRounds(seed, size);
  return Array.from({ length: count }, () => plan.next().value as readonly Step[]);
};
const faultsOf = (steps: readonly Step[]): Fault[] => steps.flatMap(({ blows }) => blows.map(({ fault }) => fault));

describe('the plan of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(rounds(7, 3, 20)).toEqual(rounds(7, 3, 20));
    expect(rounds(7, 3, 20)).not.toEqual(rounds(8, 3, 20));
  });

  it('begins in a long run as in a short one', () => {
    expect(rounds(1, 1, 50).slice(0, 3)).toEqual(rounds(1, 1, 3));
  });

  it.each([1, 3] as const)('has every fault that is possible with %i nats-servers before one comes again', (size) => {
    const possible = Object.keys(FAULTS).filter((fault) => isPossible(fault as Fault, size));
    const dealt = faultsOf(rounds(5, size, 10).flat());
    // A second fault of a step may have been drawn from what the next deal begins with.
    expect(new Set(dealt.slice(0, possible.length + 1))).toEqual(new Set(possible));
    expect(new Set(dealt.slice(0, possible.length)).size).toBeGreaterThanOrEqual(possible.length - 1);
  });

  it('breaks nothing twice at once, for no longer than it says', () => {
    const steps = Array.from({ length: 20 }, (_, seed) => rounds(seed, 3, 10)).flat(2);
    expect(steps.some(({ blows }) => blows.length === 2)).toBe(true);
    for (const { blows } of steps) {
      const [first, second] = blows;
      if (second !== undefined) expect(areApart(first!.fault, second.fault)).toBe(true);
      for (const { fault, ms } of blows) {
        const [least, most] = FAULTS[fault].ms;
        expect(ms).toBeGreaterThanOrEqual(least);
        expect(ms).toBeLessThanOrEqual(most);
      }
    }
  });

  it('can be made of some faults only', () => {
    const [first = []] = [...take(planRounds(1, 1, ['kill NATS', 'kill gateway']), 1)];
    expect(new Set(faultsOf(first))).toEqual(new Set(['kill NATS', 'kill gateway']));
    expect(() => planRounds(1, 1, ['step down leaders']).next()).toThrow('none of these faults');
  });
});

function* take<T>(from: Iterable<T>, count: number): Generator<T> {
  for (const one of from) {
    if (count-- <= 0) return;
    yield one;
  }
}
