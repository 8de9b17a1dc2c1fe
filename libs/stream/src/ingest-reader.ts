import { ingestStream, ingestSubject } from '@hearth/wire';
import { StreamConnection } from './connection';
import { PullConsumer, StartAt } from './pull-consumer';
import { extentOf, findStart, holds, StreamExtent, StreamPosition, StreamStart } from './stream-position';
import { ensureIngestStream, StreamSettings } from './streams';

/** How far a partition has come. */
export type IngestPosition = StreamPosition;

/** Compares a partition's stream with the position it was read to, and creates it when it is missing. */
export async function findIngestStart(
  connection: StreamConnection,
  partition: number,
  settings: StreamSettings,
  last: IngestPosition,
): Promise<StreamStart> {
  await ensureIngestStream(await connection.manager(), partition, settings);
  return findStart(connection, ingestStream(partition), last);
}

/** Reads a partition's publish requests in order. */
export function openIngestReader(
  connection: StreamConnection,
  partition: number,
  startAt: StartAt,
): Promise<PullConsumer> {
  return PullConsumer.open(connection, ingestStream(partition), startAt, ingestSubject(partition));
}

/**
 * Drops from a partition's stream what has been processed, but for the last of it, which proves the position at the next
 * start.
 *
 * @param processed up to which everything has been processed, and that is known to whoever comes next
 * @returns what the stream had before
 */
export async function dropProcessed(
  connection: StreamConnection,
  partition: number,
  processed: IngestPosition,
): Promise<StreamExtent> {
  const stream = ingestStream(partition);
  const extent = await extentOf(connection, stream);
  // Of a stream that has lost its tail and goes on, the same sequences may be messages that nobody has read yet.
  if (processed.sequence > extent.first && (await holds(connection, stream, processed))) {
    await (await connection.manager()).streams.purge(stream, { seq: processed.sequence });
  }
  return extent;
}

export { ConsumerLostError, PullConsumer } from './pull-consumer';
export type { StartAt, StreamMessage } from './pull-consumer';
