/** A message that was accepted with a `deduplicationId`: its place, and the window in which no other one is. */
export interface Holder {
  readonly partition: number;
  readonly streamEpoch: number;
  readonly seq: number;
  /** Time of the message by the stream's clock, Unix ms. */
  readonly firstMs: number;
  /** From then on the id is accepted again. */
  readonly expiresMs: number;
  /** What it became, where repeats are told. */
  readonly result?: string;
}

/**
 * What a message is to those that have been accepted with its id (publish-api §5.1): the first of a window, one of them
 * once more, or a duplicate. Partitions are not processed in step, so it may also be older than one that was accepted
 * before it: of two messages in one window only one is, whichever came first here.
 *
 * @param holders none of whose windows overlap
 */
export function judge(holders: readonly Holder[], message: Holder): 'first' | 'repeat' | 'duplicate' {
  if (holders.some((holder) => isAt(holder, message))) return 'repeat';
  return holders.some((holder) => overlap(holder, message)) ? 'duplicate' : 'first';
}

/** The one that a duplicate is a duplicate of. */
export function holderOf(holders: readonly Holder[], duplicate: Holder): Holder | undefined {
  return holders.find((holder) => overlap(holder, duplicate));
}

/**
 * Holders in the order in which they are kept, the latest first: without those, but for the latest, that no message which
 * is still to be processed, or processed again, can be compared with.
 *
 * @param caughtUpMs what is older than this has been processed in all partitions, Unix ms
 */
export function stillNeeded(holders: readonly Holder[], caughtUpMs: number): [Holder, ...Holder[]] {
  const [latest, ...earlier] = [...holders].sort((a, b) => b.firstMs - a.firstMs);
  if (latest === undefined) throw new Error('a deduplication id without a holder');
  return [latest, ...earlier.filter(({ expiresMs }) => expiresMs > caughtUpMs)];
}

function isAt(one: Holder, other: Holder): boolean {
  return one.partition === other.partition && one.streamEpoch === other.streamEpoch && one.seq === other.seq;
}

function overlap(one: Holder, other: Holder): boolean {
  return one.firstMs < other.expiresMs && other.firstMs < one.expiresMs;
}
