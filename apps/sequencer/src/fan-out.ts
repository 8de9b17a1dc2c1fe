import { messageHead, messageTail } from '@hearth/protocol';
import { comparePositions, deliverSubject, encodeDeliverRecord, Position } from '@hearth/wire';
import { AckedPublisher, deliverStreamEnd, lastDelivered, OutgoingMessage, StreamConnection } from '@hearth/stream';
import type { OutcomeRecord } from '@hearth/channels';
import { DeliveredPlaces } from './delivered-places';
import type { PartitionHost } from './partition-host';
import { channelNamedBy, type Sequenced, type SequencedMessage } from './sequencing';

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
  /** Resolves when the deliver stream holds all of it, with the place of one of its records if there are any. */
  readonly confirmed: Promise<number | undefined>;
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
    /** Told of what NATS would refuse, which is left out. */
    private readonly onTooLarge: (id: string, bytes: number) => void,
    private readonly places: DeliveredPlaces,
    /** Until then the deliver stream may hold messages that were sent before this worker began (`performance.now()`). */
    private recallUntilMs: number,
  ) {}

  static async open(
    { stream, publisher, config, logger }: Pick<PartitionHost, 'stream' | 'publisher' | 'config' | 'logger'>,
    partition: number,
  ): Promise<FanOut> {
    const isEmpty = (await deliverStreamEnd(stream)) === 0;
    return new FanOut(
      stream,
      publisher,
      (id, bytes) => logger.error({ partition, id, bytes }, 'not delivered: NATS takes no message of this size'),
      new DeliveredPlaces(partition, config.clockToleranceMs),
      isEmpty ? 0 : performance.now() + config.deliverMaxAgeSeconds * 1_000,
    );
  }

  /** Whether the deliver stream may hold what this worker does not know: it is to be asked before a batch is sent. */
  get mayRecall(): boolean {
    return performance.now() < this.recallUntilMs;
  }

  /**
   * The first of a batch, in its order, whose place the deliver stream knows as another message's. To be asked before anything
   * of the batch is committed: it has to have another place.
   */
  async firstReused(batch: readonly Sequenced[]): Promise<Position | undefined> {
    // What was parked says its channel when it is fired.
    await this.recall(batch.flatMap((one) => channelNamedBy(one) ?? []));
    return batch.find(({ position, acceptedMs }) => this.places.isReused(position, acceptedMs))?.position;
  }

  /** Where the channels end that are remembered. */
  get ends(): Iterable<readonly [channel: string, position: Position]> {
    return this.last;
  }

  /** Learns what the deliver stream holds of the channels of a batch that is about to be sent. */
  recallFor(messages: readonly Deliverable[]): Promise<void> {
    return this.recall(messages.map(channelOf));
  }

  /** Sends the messages in their order. */
  send(messages: readonly Deliverable[]): FannedOut {
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
  private async recall(named: readonly string[]): Promise<void> {
    const channels = [...new Set(named)].filter((channel) => !this.last.has(channel));
    for (let from = 0; from < channels.length; from += LOOKUPS_AT_ONCE) {
      await Promise.all(
        channels.slice(from, from + LOOKUPS_AT_ONCE).map(async (channel) => {
          const found = await lastDelivered(this.connection, channel);
          if (found === undefined) return;
          this.remember(channel, found.record.position);
          this.places.add(found);
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
