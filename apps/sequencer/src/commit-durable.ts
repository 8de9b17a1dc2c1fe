import type { Dropped } from './channel-operations';
import type { PartitionHost } from './partition-host';
import type { SavedPosition } from './saved-position';
import type { Sequenced } from './sequencing';

/** The door lets nothing through that Postgres refuses: a publisher did nothing wrong, and repeating it is no use. */
const REFUSED = { code: 'INTERNAL_ERROR', message: 'the database refused the message' } as const;
export const NOTHING_DROPPED: Dropped = new Map();

/**
 * Commits what is durable of a batch, once; whoever calls it may repeat it.
 *
 * @returns what is not to be delivered: duplicates, and what Postgres refuses as it is
 * @throws Error when it is to be tried again; FencedError when another worker owns the partition
 */
export async function commitDurable(
  host: Pick<PartitionHost, 'logger' | 'metrics'>,
  saved: Pick<SavedPosition, 'write'>,
  durable: readonly Sequenced[],
): Promise<Dropped> {
  try {
    const duplicates = await saved.write(durable);
    host.metrics.duplicatesDropped.inc(duplicates.size);
    return duplicates.size === 0 ? NOTHING_DROPPED : new Map([...duplicates].map(([one, first]) => [one, { first }]));
  } catch (error) {
    if (!isDataError(error)) throw error;
    // What is saved with the messages may be what is refused, and no message must be dropped for that.
    await saved.write([]);
    const [only, ...others] = durable;
    if (only !== undefined && others.length === 0) {
      // The door lets nothing through that Postgres refuses; should it happen, one message must not stop a partition.
      host.logger.error({ err: error, id: only.id }, 'a message was refused by Postgres');
      return new Map([[only, { refusal: REFUSED }]]);
    }
  }
  const dropped: [Sequenced, NonNullable<ReturnType<Dropped['get']>>][] = [];
  for (const message of durable) dropped.push(...(await commitDurable(host, saved, [message])));
  return new Map(dropped);
}

/** SQLSTATE classes 22 (data exception) and 23 (constraint): the same statement will fail again. */
function isDataError(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^2[23]/.test(code);
}
