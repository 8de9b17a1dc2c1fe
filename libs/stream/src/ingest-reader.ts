import { ingestStream, ingestSubject } from '@hearth/wire';
import { StreamConnection } from './connection';
import { PullConsumer, StartAt } from './pull-consumer';
import { findStart, StreamPosition, StreamStart } from './stream-position';
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

/** Drops what has been applied and fanned out, but for its last message, which proves the position at the next start. */
export async function purgeIngest(connection: StreamConnection, partition: number, sequence: number): Promise<void> {
  // Nothing lies before the first message, and a server that is too old would take this for all of them.
  if (sequence <= 1) return;
  const manager = await connection.manager();
  await manager.streams.purge(ingestStream(partition), { seq: sequence });
}

export { ConsumerLostError, PullConsumer } from './pull-consumer';
export type { StartAt, StreamMessage } from './pull-consumer';
