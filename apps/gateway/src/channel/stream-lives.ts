import type { TailBeacon } from '@hearth/wire';

/**
 * What was lost before the present life of the deliver stream: what an earlier one had, and has lost, only the owners of the
 * partitions know. Each is asked for the ends of all its channels until it has said them, or that it does not know them.
 */
export class StreamLives {
  /** When the present one began, ms since 1970; 0 while that is not known. */
  private lifeMs = 0;
  /** By partition: the owner, by its fencing token, before which nothing is missing here that the stream had. */
  private readonly caughtUpWith = new Map<number, number>();
  /** Partitions that have not answered for the present life, with the owner that it was caught up with before. */
  private readonly unanswered = new Map<number, number | undefined>();
  /** Partition and life before which whatever was lost is known here, or clients have begun anew. */
  private readonly settled = new Set<string>();

  constructor(private readonly partitions: number) {}

  /**
   * Notes a look at the stream, when nothing is missing here that it has.
   *
   * @param owners that are heard
   * @returns whether all owners are to be asked where all their channels end
   */
  note(lifeMs: number, owners: Iterable<readonly [partition: number, fencingToken: number]>): boolean {
    if (this.lifeMs !== 0 && lifeMs !== this.lifeMs) {
      for (let partition = 0; partition < this.partitions; partition++)
        this.unanswered.set(partition, this.caughtUpWith.get(partition));
    }
    this.lifeMs = lifeMs;
    for (const [partition, owner] of owners)
      if (!this.unanswered.has(partition)) this.caughtUpWith.set(partition, owner);
    return this.unanswered.size > 0;
  }

  /** Whether the stream has to be looked at for it: what is lost after that, this owner knows. */
  isNew(partition: number, fencingToken: number): boolean {
    return !this.unanswered.has(partition) && this.caughtUpWith.get(partition) !== fencingToken;
  }

  /**
   * @param isWhole all of an answer has come that this beacon ends
   * @returns the life, ms since 1970, when channels of the partition that are older may have lost nobody knows what
   */
  hear(
    partition: number,
    { fencingToken, unsureBeforeMs, all }: Pick<TailBeacon, 'fencingToken' | 'unsureBeforeMs' | 'all'>,
    isWhole: boolean,
  ): number | undefined {
    const { lifeMs, unanswered, settled } = this;
    const isAnswer = isWhole && all?.lifeMs === lifeMs && unanswered.has(partition);
    // What an owner says is all since it began. What came before that, the stream may have lost before it was read here.
    const isPart = isAnswer && unanswered.get(partition) !== fencingToken;
    const beforeMs = isPart ? lifeMs : unsureBeforeMs;
    const isNews = beforeMs !== undefined && !settled.has(`${partition} ${beforeMs}`);
    if (isNews) settled.add(`${partition} ${beforeMs}`);
    if (isAnswer) settled.add(`${partition} ${lifeMs}`);
    if (isAnswer || unsureBeforeMs === lifeMs) unanswered.delete(partition);
    return isNews ? beforeMs : undefined;
  }
}
