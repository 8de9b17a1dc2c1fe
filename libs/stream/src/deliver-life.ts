import { installationNow } from '@hearth/timing';
import { decodeDeliverRecord, DELIVER_STREAM, deliveredChannel, type DeliverRecord } from '@hearth/wire';
import type { StreamConnection } from './connection';
import { createdOf, describeCreation } from './stream-creation';
import { extentOf, storedMessage } from './stream-position';

/** A place of the deliver stream that was confirmed to hold a record, 0 for none, and when that stream was created (`createdOf`). */
export interface DeliverMark {
  readonly created: string;
  readonly sequence: number;
}

/**
 * Whether a power cut took the tail of the deliver stream: it ends before a place that it had, or has another record there.
 *
 * @param mayStand whether a record may have been there, and is none that came since
 */
export async function hasLostDelivered(
  connection: StreamConnection,
  { created, sequence }: DeliverMark,
  mayStand: (channel: string, record: DeliverRecord) => boolean,
): Promise<boolean> {
  const extent = await extentOf(connection, DELIVER_STREAM);
  if (extent.created !== created || sequence === 0 || sequence < extent.first) return false;
  if (sequence > extent.last) return true;
  const stored = await storedMessage(connection, DELIVER_STREAM, sequence);
  return stored !== undefined && !mayStand(deliveredChannel(stored.subject), decodeDeliverRecord(stored.data));
}

/**
 * From now on the deliver stream counts as one that was made now: what anybody knows of the places that it had proves nothing
 * about those that it gives out again.
 *
 * @param before when it was created, as far as is known; another life than that stays as it is
 */
export async function beginDeliverLife(connection: StreamConnection, before: string): Promise<void> {
  const { streams } = await connection.manager();
  const info = await streams.info(DELIVER_STREAM);
  if (createdOf(info) !== before) return;
  await streams.update(DELIVER_STREAM, { description: describeCreation(new Date(installationNow()).toISOString()) });
}

/**
 * What was read between a look at the deliver stream and now is of the stream that was looked at.
 *
 * @param created when it was created, as of that look
 * @throws Error when another has taken its place: whether something was read of the one or the other, nobody knows
 */
export async function assertDeliverLife(connection: StreamConnection, created: string): Promise<void> {
  if ((await extentOf(connection, DELIVER_STREAM)).created !== created)
    throw new Error(`${DELIVER_STREAM} was created anew while it was read`);
}
