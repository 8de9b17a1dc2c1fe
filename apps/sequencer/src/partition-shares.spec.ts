import * as fc from 'fast-check';
import { sharePartitions } from './partition-shares';

const nodes = fc.uniqueArray(fc.stringMatching(/^[a-z0-9]{1,6}$/), { minLength: 1, maxLength: 8 });
const partitions = fc.integer({ min: 1, max: 64 });

function sizes(owners: readonly (string | undefined)[], names: readonly string[]): number[] {
  return names.map((name) => owners.filter((owner) => owner === name).length);
}

describe('shares of partitions', () => {
  it('differ by one at most, and leave no partition out', () => {
    fc.assert(
      fc.property(partitions, nodes, (count, names) => {
        const each = sizes(sharePartitions(count, names), names);
        expect(each.reduce((sum, size) => sum + size)).toBe(count);
        expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('are the same in whatever order the nodes are named', () => {
    fc.assert(
      fc.property(partitions, nodes, (count, names) => {
        expect(sharePartitions(count, [...names].reverse())).toEqual(sharePartitions(count, names));
      }),
    );
  });

  it('are those of nobody when nobody is there', () => {
    expect(sharePartitions(2, [])).toEqual([undefined, undefined]);
  });

  it('mostly stay when a node leaves', () => {
    const names = ['a', 'b', 'c', 'd'];
    const before = sharePartitions(64, names);
    const after = sharePartitions(64, names.slice(1));
    const moved = before.filter((owner, partition) => owner !== 'a' && owner !== after[partition]).length;
    expect(moved).toBeLessThan(16);
  });
});
