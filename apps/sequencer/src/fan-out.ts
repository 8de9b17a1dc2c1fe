import { messageHead, messageTail } from '@hearth/protocol';
import { comparePositions, deliverSubject, encodeDeliverRecord, Position } from '@hearth/wire';
import { AckedPublisher, deliverStreamEnd, lastDelivered, OutgoingMessage, StreamConnection } from '@hearth/stream';
import type { OutcomeRecord } from '@hearth/channels';
import type { SequencedMessage } from './sequencing';

/** What gateways shall hear of an operation. */
export interface FannedOutcome {
  readonly id: string;
  readonly position: Position;
  readonly record: OutcomeRecord;
}

/** A message, or what became of an operation. */
export type Deliverable = (SequencedMessage & { readonly record?: undefined }) | FannedOutcome;

/** What came of a batch. */
export interface FannedOut {
  /** Resolves when the deliver stream holds all of it. */
  readonly confirmed: Promise<void>;
  /** What the deliver stream has or will have: all but what is too large. */
  readonly fanned: readonly Deliverable[];
}

export function channelOf(one: Deliverable): string {
  return one.record === undefined ? one.event.channel : one.record.channel;
}

/**
 * Channels whose last position is remembered. A forgotten one costs a look-up when the channel speaks again; each
 * entry takes some 200 bytes.
 */
const REMEMBERED_CHANNELS = 50_000;

/** Look-ups that may be under way at once. */
const LOOKUPS_AT_ONCE = 64;

/**
 * Sends the messages of one partition to the gateways, each chained to the one before it in its channel, so that a
 * gateway notices when it missed one. The client's frame is built here, once, for all subscribers.
 *
 * After a take-over the chain is continued from what the deliver stream holds, and a message that it already holds is
 * not sent again: a worker before us did.
 */
export class FanOut {
  /** Last position of each channel, least recently used first. */
  private readonly last = new Map<string, Position>();

  private constructor(
    private readonly connection: StreamConnection,
    private readonly publisher: AckedPublisher,
    private readonly onTooLarge: (id: string, bytes: number) => void,
    /** Until then the deliver stream may hold messages that were sent before this worker began (`performance.now()`). */
    private recallUntilMs: number,
  ) {}

  /**
   * @param deliverMaxAgeMs how long the deliver stream keeps a message
   * @param onTooLarge told of what NATS would refuse, which is left out
   */
  static async open(
    connection: StreamConnection,
    publisher: AckedPublisher,
    deliverMaxAgeMs: number,
    onTooLarge: (id: string, bytes: number) => void,
  ): Promise<FanOut> {
    const isEmpty = (await deliverStreamEnd(connection)) === 0;
    return new FanOut(connection, publisher, onTooLarge, isEmpty ? 0 : performance.now() + deliverMaxAgeMs);
  }

  /** Sends the messages in their order. */
  async send(messages: readonly Deliverable[]): Promise<FannedOut> {
    if (performance.now() < this.recallUntilMs) await this.recall(messages);
    const outgoing: OutgoingMessage[] = [];
    const fanned: Deliverable[] = [];
    for (const message of messages) {
      const channel = channelOf(message);
      const previous = this.last.get(channel);
      if (previous !== undefined && comparePositions(previous, message.position) >= 0) {
        fanned.push(message);
        continue;
      }
      const payload = payloadOf(message, previous);
      if (payload.length > this.connection.maxPayload) {
        // The doors let nothing in that would become so large; should the server's limit be lowered, the chain goes on.
        this.onTooLarge(message.id, payload.length);
        continue;
      }
      outgoing.push({ subject: deliverSubject(channel), payload });
      fanned.push(message);
      this.remember(channel, message.position);
    }
    return { confirmed: this.publisher.publishInOrder(outgoing), fanned };
  }

  /** Learns the last positions of channels that this worker does not know from the deliver stream. */
  private async recall(messages: readonly Deliverable[]): Promise<void> {
    const unknown = new Set<string>();
    for (const message of messages) if (!this.last.has(channelOf(message))) unknown.add(channelOf(message));
    const channels = [...unknown];
    for (let from = 0; from < channels.length; from += LOOKUPS_AT_ONCE) {
      await Promise.all(
        channels.slice(from, from + LOOKUPS_AT_ONCE).map(async (channel) => {
          const found = await lastDelivered(this.connection, channel);
          if (found !== undefined) this.remember(channel, found.record.position);
        }),
      );
    }
  }

  private remember(channel: string, position: Position): void {
    this.last.delete(channel);
    this.last.set(channel, position);
    if (this.last.size <= REMEMBERED_CHANNELS) return;
    const [oldest] = this.last.keys();
    if (oldest !== undefined) this.last.delete(oldest);
    this.recallUntilMs = Infinity;
  }
}

function payloadOf(one: Deliverable, previous: Position | undefined): Buffer {
  if (one.record === undefined) return messagePayload(one, previous);
  const { id, position, record } = one;
  return encodeDeliverRecord({ position, previous, id, ...record });
}

function messagePayload(message: SequencedMessage, previous: Position | undefined): Buffer {
  const { id, position, event, data } = message;
  const frame = Buffer.concat([
    Buffer.from(messageHead(id, event.event, event.channel), 'utf8'),
    data,
    Buffer.from(messageTail(event.meta), 'utf8'),
  ]);
  const exceptConnectionId = event.echo === true ? undefined : event.connectionId;
  return encodeDeliverRecord({ position, previous, id, exceptConnectionId, frame });
}
