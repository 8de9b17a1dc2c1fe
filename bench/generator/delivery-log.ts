import { readChannel, readSequence } from './payload';
import { MessageSink, Subscriber } from './subscriber';

/** The order in which a channel's messages came, as the first subscriber to see each one saw it. */
interface ChannelOrder {
  readonly sequence: number[];
  readonly seen: Set<number>;
}

/**
 * Checks that every subscriber of a channel gets every message once, and all of them in the same order. The order is
 * the server's own: concurrent publishes may be accepted in either, but not in different ones for different readers.
 */
export class DeliveryLog implements MessageSink {
  received = 0;
  duplicates = 0;
  outOfOrder = 0;
  misrouted = 0;
  private skipped = 0;
  private readonly channels: readonly ChannelOrder[];

  /** `onMessage` is called for each delivery, after it was checked. */
  constructor(
    channels: number,
    private readonly onMessage: (sequence: number, buffer: Buffer, payloadAt: number) => void = () => undefined,
  ) {
    this.channels = Array.from({ length: channels }, () => ({ sequence: [], seen: new Set<number>() }));
  }

  message(subscriber: Subscriber, buffer: Buffer, payloadAt: number): void {
    const sequence = readSequence(buffer, payloadAt);
    this.received++;
    const order = this.channels[subscriber.channel];
    if (!order || readChannel(buffer, payloadAt) !== subscriber.channel) {
      this.misrouted++;
      return;
    }
    const position = subscriber.position;
    if (order.sequence[position] === sequence) subscriber.position = position + 1;
    else if (position === order.sequence.length && !order.seen.has(sequence)) {
      order.sequence.push(sequence);
      order.seen.add(sequence);
      subscriber.position = position + 1;
    } else this.unexpected(subscriber, order, sequence);
    this.onMessage(sequence, buffer, payloadAt);
  }

  /** How many deliveries are lacking when each channel had `accepted[channel]` messages. */
  missing(subscribers: readonly Subscriber[], accepted: readonly number[]): number {
    let missing = this.skipped;
    for (const { channel, position } of subscribers) missing += Math.max(0, (accepted[channel] ?? 0) - position);
    return missing;
  }

  private unexpected(subscriber: Subscriber, order: ChannelOrder, sequence: number): void {
    const at = order.sequence.indexOf(sequence);
    if (at < 0) this.outOfOrder++;
    else if (at < subscriber.position) this.duplicates++;
    else {
      this.skipped += at - subscriber.position;
      subscriber.position = at + 1;
    }
  }
}
