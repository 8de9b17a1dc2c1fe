/**
 * What must always hold, of which docs/architecture.md has the whole list and the numbers. A broken one is a mistake of
 * ours, never of what somebody sent: whoever finds it stops working on what is wrong, counts it and hands over, because
 * to go on with a false state would destroy what is still right.
 */
const INVARIANTS = {
  'ids-rise': 'an id of a partition is greater than all before it',
  'position-rises': 'a safe position never moves back',
  'mark-rises': 'the time below which no id may be made never moves back',
  'order-rises': 'a channel’s subscribers get a record after all records before it',
  'names-earlier': 'a record names an earlier one as the one before it',
  'own-slot': 'a subscriber is where its channel looks for it',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';

  /** @param detail the values that contradict it */
  constructor(
    readonly invariant: Invariant,
    detail: string,
  ) {
    super(`${INVARIANTS[invariant]}: ${detail}`);
  }
}
