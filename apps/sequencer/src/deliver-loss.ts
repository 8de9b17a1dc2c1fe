import { beginDeliverLife, deliverExtent, hasLostDelivered } from '@hearth/stream';
import { comparePositions, type DeliverRecord, partitionOf, streamSequenceOf } from '@hearth/wire';
import type { PartitionHost } from './partition-host';
import type { SavedPosition } from './saved-position';
import type { Tails } from './tails';

/** Notices what the deliver stream has lost of one partition. */
export class DeliverLoss {
  /** What is sent names all that the stream had of its channel: nothing was lost before, or we sent it. */
  private isChainKnown = false;

  constructor(
    private readonly host: Pick<PartitionHost, 'stream' | 'config' | 'logger'>,
    private readonly partition: number,
    private readonly saved: Pick<SavedPosition, 'deliverMark' | 'doubt' | 'noteDeliverLife'>,
    private readonly tails: Pick<Tails, 'doubt'>,
  ) {}

  /**
   * Looks whether a power cut has taken the tail of the deliver stream since the partition's records were last confirmed. It gives
   * those places out again then, so it begins another life, and what clients, gateways and notes know of the places proves
   * nothing any more: a resume says that it cannot be sure. Where the owner from before ended too, nobody knows which channels
   * have lost something, and gateways are told that, by later owners as well: one may be away.
   *
   * @returns when that is known, or the stream does not answer: nothing waits for that, and no later place is marked before
   */
  async look(): Promise<void> {
    const { partition, saved } = this;
    const { stream, config, logger } = this.host;
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
      const { created } = await deliverExtent(stream);
      if (mark !== undefined && mark.created !== created) {
        // What this owner knows ends with it.
        saved.doubt(Date.parse(created));
        if (!this.isChainKnown) this.tails.doubt(Date.parse(created));
      }
      this.isChainKnown = true;
      saved.noteDeliverLife(created);
    } catch (error) {
      logger.debug({ partition, err: error }, 'whether the deliver stream is whole is not known');
    }
  }
}
