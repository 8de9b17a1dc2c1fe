import { isRefusedForData } from '@hearth/store';
import type { Dropped } from './channel-operations';
import type { PartitionHost } from './partition-host';
import type { SavedPosition } from './saved-position';
import type { Sequenced } from './sequencing';

/** The door lets nothing through that Postgres refuses: a publisher did nothing wrong, and repeating it is no use. */
export const REFUSED = { code: 'INTERNAL_ERROR', message: 'the database refused it' } as const;
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
    if (!isRefusedForData(error)) throw error;
    const [only, ...others] = durable;
    if (only !== undefined && others.length === 0) {
      // Should the position be what is refused, no message must be left out for that.
      await saved.write([]);
      // The door lets nothing through that Postgres refuses; should it happen, one message must not stop a partition.
      host.metrics.refusedByDatabase.of('message_log').inc();
      host.logger.error({ err: error, id: only.id }, 'a message was refused by Postgres');
      return new Map([[only, { refusal: REFUSED }]]);
    }
  }
  const middle = durable.length >> 1;
  const first = await commitDurable(host, saved, durable.slice(0, middle));
  return new Map([...first, ...(await commitDurable(host, saved, durable.slice(middle)))]);
}
