import { warnSeldom } from '@hearth/runtime';
import { assertOwned, releasePartition, type PartitionState } from '@hearth/store';
import type { StreamMessage } from '@hearth/stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { PartitionHost } from './partition-host';

const RETRY_MS = 250;

type Claim = Pick<PartitionState, 'partition' | 'fencingToken'>;

/**
 * Sees to it that who reads over a hole in a partition's stream owns the partition. Only owners drop messages, and none that it
 * has not processed itself: where the next message is not the next one of the stream, a successor may have processed and dropped
 * what lay between, and records that name what this worker knows as the last would hide it.
 *
 * @param behind the place in the stream up to which was read
 * @param messages what was read next, at least one
 * @throws FencedError when somebody else owns it
 */
export async function assertNoHole(
  { database }: Pick<PartitionHost, 'database'>,
  claim: Claim,
  behind: number,
  messages: readonly StreamMessage[],
): Promise<void> {
  const last = messages.at(-1)?.sequence ?? behind;
  if (last - behind > messages.length) await assertOwned(database.db, claim);
}

/** Gives a partition back. Until then nobody else can have it: this process is alive. */
export async function releaseSurely(
  { database, logger }: Pick<PartitionHost, 'database' | 'logger'>,
  { partition, fencingToken }: Claim,
): Promise<void> {
  for (;;) {
    try {
      return await releasePartition(database.db, partition, fencingToken);
    } catch (error) {
      warnSeldom(logger, { partition, err: error }, 'not given back, trying again');
      await delay(RETRY_MS);
    }
  }
}
