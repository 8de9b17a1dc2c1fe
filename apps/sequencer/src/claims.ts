/** A claim of a partition. */
export interface Claim {
  readonly partition: number;
  readonly fencingToken: number;
}

/** What the table says of a partition, at some moment between the question and the answer. */
export interface ListedPartition extends Claim {
  readonly owner: string | null;
}

/**
 * Compares a list of the partitions with what a process knows of its own claims. Those come and go while the list is on its
 * way: a claim that was not there at the question, or is not there any more at the answer, the list says nothing about.
 *
 * @param before claims that were worked on or being given back at the question
 * @param after the same at the answer
 * @param claiming a partition that is being claimed at the answer
 * @returns `lost`: another's by the list. `idle`: by the list this process's, which does nothing about them, so that nobody
 * ever would: the answer to a claim did not come, or giving one back has failed
 */
export function compareClaims(
  list: readonly ListedPartition[],
  processId: string,
  before: readonly Claim[],
  after: readonly Claim[],
  claiming: number | undefined,
): { readonly lost: readonly Claim[]; readonly idle: readonly Claim[] } {
  const mine = list.filter(({ owner }) => owner === processId);
  return {
    lost: before.filter((claim) => isIn(after, claim) && !isIn(mine, claim)),
    idle: mine.filter((claim) => !isIn(before, claim) && !isIn(after, claim) && claim.partition !== claiming),
  };
}

function isIn(claims: readonly Claim[], { partition, fencingToken }: Claim): boolean {
  return claims.some((one) => one.partition === partition && one.fencingToken === fencingToken);
}
