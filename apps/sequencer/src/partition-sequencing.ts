import type { IngestPosition } from '@hearth/stream';
import { Lanes } from './lanes';
import type { PartitionHost } from './partition-host';
import { Sequencing } from './sequencing';

/**
 * The sequencing of a partition from a position on, which tells operators what is amiss.
 *
 * @param markMs no id gets a smaller time, ms since 1970
 * @param lanes how far each publisher has come by then
 */
export function sequencingOf(
  { logger, metrics, config, streamClock }: Pick<PartitionHost, 'logger' | 'metrics' | 'config' | 'streamClock'>,
  { epoch }: Pick<IngestPosition, 'epoch'>,
  partition: number,
  markMs: number,
  lanes: Lanes,
): Sequencing {
  const reports = {
    poison: ({ sequence }: { readonly sequence: number }, error: unknown) =>
      logger.error({ partition, sequence, err: error }, 'not a publish request: skipped'),
    eagerIdRefused: (id: string) => {
      metrics.eagerIdsRefused.inc();
      logger.warn({ partition, id }, 'an eager id was not used: it was made by a clock that is too far ahead');
    },
    streamClock: (aheadMs: number) => streamClock.note(aheadMs),
  };
  return new Sequencing(partition, epoch, markMs, config.clockToleranceMs, reports, lanes);
}
