import { ConsumerLostError, PullConsumer, type StreamConnection } from '@hearth/stream';
import { decodeDeliverRecord, DELIVER_STREAM, type DeliverRecord } from '@hearth/wire';
import { eventually, LONGEST_WAIT_MS } from './eventually';

/** What was fanned out, as it stands in the deliver stream. */
export interface Delivered extends DeliverRecord {
  /** Its place in the stream. */
  readonly sequence: number;
  readonly payload: Uint8Array;
  /** Its frame, whole and in parts. */
  readonly text: string;
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

/**
 * Everything that was fanned out, in the order of the deliver stream, repeats included, through the first that is enough. Goes on
 * where it was when its connection broke.
 *
 * @param isEnough whether this one is the last; a number: so many, each repeat counted
 * @throws Error when nothing comes for as long as anything may take
 */
export async function delivered(
  connection: StreamConnection,
  isEnough: number | ((record: Delivered) => boolean),
): Promise<Delivered[]> {
  const all: Delivered[] = [];
  const isLast = typeof isEnough === 'number' ? () => all.length === isEnough : isEnough;
  for (;;) {
    const sequence = (all.at(-1)?.sequence ?? 0) + 1;
    const consumer = await eventually(() => PullConsumer.open(connection, DELIVER_STREAM, { sequence }));
    try {
      for (;;) {
        for (const message of await nextOf(consumer, all.length)) {
          const record = recordOf(message);
          all.push(record);
          if (isLast(record)) return all;
        }
      }
    } catch (error) {
      if (!(error instanceof ConsumerLostError)) throw error;
    } finally {
      consumer.close();
    }
  }
}

async function nextOf(consumer: PullConsumer, before: number) {
  const giveUp = setTimeout(() => consumer.close(), LONGEST_WAIT_MS);
  const messages = await consumer.next(1_000).finally(() => clearTimeout(giveUp));
  if (messages.length === 0) throw new Error(`nothing came behind ${before} records of the deliver stream`);
  return messages;
}

function recordOf({ sequence, payload }: { readonly sequence: number; readonly payload: Uint8Array }): Delivered {
  const record = decodeDeliverRecord(payload);
  const text = record.frame.toString('utf8');
  const { channel, event, data } = JSON.parse(text) as Pick<Delivered, 'channel' | 'event' | 'data'>;
  return { ...record, sequence, payload, text, channel, event, data };
}
