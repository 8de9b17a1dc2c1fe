import { setTimeout as delay } from 'node:timers/promises';
import { decodeDeliverRecord, DELIVER_STREAM, DELIVER_SUBJECTS, DeliverRecord, deliverSubject } from '@hearth/wire';
import { StreamConnection } from './connection';
import { PullConsumer, StartAt } from './pull-consumer';
import { extentOf } from './stream-position';

/** A record and its place in the deliver stream. */
export interface StoredDeliverRecord {
  readonly sequence: number;
  readonly record: DeliverRecord;
}

const DIRECT_GET_TIMEOUT_MS = 2_000;

/** The latest message of a channel that is still in the deliver stream; `undefined` when there is none. */
export async function lastDelivered(
  connection: StreamConnection,
  channel: string,
): Promise<StoredDeliverRecord | undefined> {
  const answer = await connection.nats.request(
    `$JS.API.DIRECT.GET.${DELIVER_STREAM}`,
    JSON.stringify({ last_by_subj: deliverSubject(channel) }),
    { timeout: DIRECT_GET_TIMEOUT_MS },
  );
  const status = answer.headers?.code ?? 0;
  if (status === 404) return undefined;
  if (status !== 0) throw new Error(`reading ${DELIVER_STREAM} failed: ${answer.headers?.description}`);
  return { sequence: Number(answer.headers?.get('Nats-Sequence')), record: decodeDeliverRecord(answer.data) };
}

/** Sequence of the deliver stream's newest message, 0 when it never had one. */
export async function deliverStreamEnd(connection: StreamConnection): Promise<number> {
  return (await extentOf(connection, DELIVER_STREAM)).last;
}

/**
 * Reads what the deliver stream holds, from `startAt` to what was its end when the call began, and calls `onRecord`
 * for each in order.
 *
 * @param channel only this channel's messages; without it those of all channels, with the subject they were sent to
 */
export async function readDelivered(
  connection: StreamConnection,
  startAt: StartAt,
  channel: string | undefined,
  onRecord: (subject: string, stored: StoredDeliverRecord) => void,
): Promise<void> {
  const subject = channel === undefined ? DELIVER_SUBJECTS : deliverSubject(channel);
  const manager = await connection.manager();
  const { state } = await manager.streams.info(DELIVER_STREAM, { subjects_filter: subject });
  if (state.messages === 0 || (channel !== undefined && state.subjects?.[subject] === undefined)) return;
  const consumer = await PullConsumer.open(connection, DELIVER_STREAM, startAt, subject);
  try {
    for (;;) {
      // A consumer that begins past the last matching message would wait for the next one to be published.
      const messages = await nextOrNothing(consumer);
      for (const message of messages) {
        onRecord(message.subject, { sequence: message.sequence, record: decodeDeliverRecord(message.payload) });
      }
      const last = messages.at(-1);
      if (last === undefined || last.pending === 0 || last.sequence >= state.last_seq) return;
    }
  } finally {
    consumer.close();
  }
}

const QUIET_MS = 500;

/** The next messages; none when the stream has nothing to give right now. */
function nextOrNothing(consumer: PullConsumer): ReturnType<PullConsumer['next']> {
  return Promise.race([consumer.next(1_000), delay(QUIET_MS, [], { ref: false })]);
}
