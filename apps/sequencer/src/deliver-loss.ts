import { beginDeliverLife, deliverExtent, hasLostDelivered } from '@hearth/stream';
import { comparePositions, type DeliverRecord, partitionOf, streamSequenceOf } from '@hearth/wire';
import type { PartitionHost } from './partition-host';
import type { SavedPosition } from './saved-position';

/**
 * Looks whether a power cut has taken the tail of the deliver stream since a partition's records were last confirmed. It gives
 * those places out again then, so it begins another life, and what clients, gateways and notes know of the places proves
 * nothing any more: a resume says that it cannot be sure.
 *
 * @returns when that is known, or the stream does not answer: nothing waits for that, and no later place is marked before
 */
export async function lookForDeliverLoss(
  { stream, config, logger }: Pick<PartitionHost, 'stream' | 'config' | 'logger'>,
  partition: number,
  saved: Pick<SavedPosition, 'deliverMark' | 'noteDeliverLife'>,
): Promise<void> {
  const { deliverMark: mark } = saved;
  const mayStand = (channel: string, { position }: DeliverRecord): boolean =>
    mark !== undefined &&
    partitionOf(channel, config.partitions) === partition &&
    comparePositions({ ...position, sequence: streamSequenceOf(position.sequence) }, mark.through) <= 0;
  try {
    if (mark !== undefined && (await hasLostDelivered(stream, mark, mayStand))) {
      logger.warn({ partition, sequence: mark.sequence }, 'the deliver stream has lost its tail');
      await beginDeliverLife(stream, mark.created);
    }
    saved.noteDeliverLife((await deliverExtent(stream)).created);
  } catch (error) {
    logger.debug({ partition, err: error }, 'whether the deliver stream is whole is not known');
  }
}
