import { createHash } from 'node:crypto';

/**
 * Shares the partitions out: every node gets as many as every other, or one more, and which ones follows from the names
 * alone, so that all nodes come to the same. By rendezvous hashing, as far as shares allow: a partition goes to the node
 * with the highest hash of the pair that has room, so that a node that comes or goes moves few partitions that are not
 * its own.
 *
 * @param nodes in any order
 * @returns the owner of each partition, by number; nobody when there is no node
 */
export function sharePartitions(partitions: number, nodes: readonly string[]): (string | undefined)[] {
  const least = Math.floor(partitions / nodes.length);
  let larger = partitions % nodes.length;
  const room = new Map(nodes.map((node) => [node, least]));
  return Array.from({ length: partitions }, (_, partition) => {
    const open = nodes.filter((node) => hasRoom(room.get(node) ?? 0, larger));
    const owner = highest(partition, open);
    if (owner === undefined) return undefined;
    const left = (room.get(owner) ?? 0) - 1;
    if (left < 0) larger--;
    room.set(owner, left);
    return owner;
  });
}

/** A node whose share is used up may still be one of those with one more. */
function hasRoom(left: number, larger: number): boolean {
  return left > 0 || (left === 0 && larger > 0);
}

function highest(partition: number, nodes: readonly string[]): string | undefined {
  let best: { node: string; score: string } | undefined;
  for (const node of nodes) {
    const score = createHash('sha256').update(`${partition}:${node}`).digest('hex');
    if (best === undefined || score > best.score) best = { node, score };
  }
  return best?.node;
}
