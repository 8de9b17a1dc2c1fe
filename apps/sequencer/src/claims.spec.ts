import * as fc from 'fast-check';
import { type Claim, compareClaims, type ListedPartition } from './claims';

const ME = 'me';
const at = (fencingToken: number): Claim => ({ partition: 0, fencingToken });
const row = (owner: string | null, fencingToken: number): ListedPartition => ({ partition: 0, owner, fencingToken });
const NOTHING = { lost: [], idle: [] };

describe('what a list of the partitions says about the claims of a process', () => {
  it('is nothing when both agree', () => {
    expect(compareClaims([row(ME, 1)], ME, [at(1)], [at(1)], undefined)).toEqual(NOTHING);
    expect(compareClaims([row(null, 1)], ME, [], [], undefined)).toEqual(NOTHING);
  });

  it('is that one is lost which another has', () => {
    const other = compareClaims([row('other', 2)], ME, [at(1)], [at(1)], undefined);
    expect(other).toEqual({ lost: [at(1)], idle: [] });
  });

  it('is not that a claim is lost which was made again meanwhile', () => {
    for (const listed of [row(ME, 1), row(null, 1)])
      expect(compareClaims([listed], ME, [at(1)], [at(2)], undefined)).toEqual(NOTHING);
  });

  it('is that nobody works on what the process owns and does not know of', () => {
    const worked = compareClaims([row(ME, 2)], ME, [at(1)], [at(1)], undefined);
    expect(worked).toMatchObject({ lost: [at(1)], idle: [at(2)] });
    expect(compareClaims([row(ME, 2)], ME, [], [], undefined).idle).toMatchObject([at(2)]);
    expect(compareClaims([row(ME, 2)], ME, [], [], 0).idle).toEqual([]);
  });

  /** What may happen to one partition and one process, in any order. */
  const steps = fc.array(fc.constantFrom('claim', 'lose answer', 'release', 'fail to release', 'taken'), {
    maxLength: 12,
  });

  it('whatever happens on its way never ends a claim that stands, and at rest every mistake is found', () => {
    fc.assert(
      fc.property(steps, steps, steps, (before, whileAsked, whileAnswered) => {
        let listed = row(null, 0);
        let working: Claim | undefined;
        const happen = (step: string): void => {
          const isFree = listed.owner !== ME;
          if (step === 'taken') listed = row('other', listed.fencingToken + 1);
          else if (step.endsWith('release') && working !== undefined) {
            if (step === 'release' && listed.fencingToken === working.fencingToken) listed = { ...listed, owner: null };
            working = undefined;
          } else if (working === undefined && isFree && !step.endsWith('release')) {
            listed = row(ME, listed.fencingToken + 1);
            if (step === 'claim') working = at(listed.fencingToken);
          }
        };
        const held = (): Claim[] => (working === undefined ? [] : [working]);
        before.forEach(happen);
        const asked = held();
        whileAsked.forEach(happen);
        const list = [listed];
        whileAnswered.forEach(happen);
        const isOwner = (claim: Claim): boolean => listed.owner === ME && listed.fencingToken === claim.fencingToken;
        const { lost, idle } = compareClaims(list, ME, asked, held(), undefined);
        for (const claim of lost) expect(isOwner(claim)).toBe(false);
        for (const claim of idle) expect(held()).not.toContainEqual(claim);
        const rest = compareClaims([listed], ME, held(), held(), undefined);
        expect(rest.lost).toEqual(held().filter((claim) => !isOwner(claim)));
        expect(rest.idle).toHaveLength(listed.owner === ME && held().every((claim) => !isOwner(claim)) ? 1 : 0);
      }),
    );
  });
});
