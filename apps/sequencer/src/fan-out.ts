import { messageHead, messageTail } from '@hearth/protocol';
import {
  comparePositions,
  deliveredChannel,
  deliverSubject,
  encodeDeliverRecord,
  partitionOf,
  Position,
} from '@hearth/wire';
import {
  AckedPublisher,
  deliverExtent,
  type DeliverMark,
  furthestDelivered,
  lastDelivered,
  OutgoingMessage,
  readDelivered,
  StreamConnection,
} from '@hearth/stream';
import type { OutcomeRecord } from '@hearth/channels';
import type { HearthConfig } from '@hearth/config';
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
 * not sent again: a worker before us did. A cluster may have lost one, and hold others behind it.
 */
export class FanOut {
  /** Last position of each channel, least recently used first. */
  private readonly last = new Map<string, Position>();
  /** Places, as text, of the records of this partition that the deliver stream held when a message was processed again. */
  private held: ReadonlySet<string> | undefined;

  private constructor(
    private readonly connection: StreamConnection,
    private readonly partition: number,
    private readonly publisher: AckedPublisher,
    /** Told of what NATS would refuse, which is left out. */
    private readonly onTooLarge: (id: string, bytes: number) => void,
    private readonly places: DeliveredPlaces,
    private readonly config: Pick<HearthConfig, 'clockToleranceMs' | 'partitions'>,
    /** The deliver stream holds what is not processed again, and up to this place of it stands nothing else. */
    private readonly holdsThrough: number,
    /** Until then the deliver stream may hold messages that were sent before this worker began (`performance.now()`). */
    private recallUntilMs: number,
  ) {}

  static async open(
    { stream, publisher, config, logger }: Pick<PartitionHost, 'stream' | 'publisher' | 'config' | 'logger'>,
    partition: number,
    mark: DeliverMark | undefined,
  ): Promise<FanOut> {
    const { created, last } = await deliverExtent(stream);
    const holdsThrough = mark?.created === created ? mark.sequence : 0;
    return new FanOut(
      stream,
      partition,
      publisher,
      (id, bytes) => logger.error({ partition, id, bytes }, 'not delivered: NATS takes no message of this size'),
      new DeliveredPlaces(partition, config.clockToleranceMs),
      config,
      holdsThrough,
      last === 0 ? 0 : performance.now() + config.deliverMaxAgeSeconds * 1_000,
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
  async recallFor(messages: readonly Deliverable[]): Promise<void> {
    await this.recall(messages.map(channelOf));
    if (this.held === undefined && messages.some((one) => this.isPassed(one))) this.held = await this.readHeld();
  }

  /** Whether the deliver stream holds it, or what stands behind it in its channel. */
  private isPassed(message: Deliverable): boolean {
    const last = this.last.get(channelOf(message));
    return last !== undefined && comparePositions(last, message.position) >= 0;
  }

  /** What is not found, because it was stored elsewhere, is sent again, which changes nothing. */
  private async readHeld(): Promise<ReadonlySet<string>> {
    const held = new Set<string>();
    const startAt = { sequence: this.holdsThrough + 1 };
    await readDelivered(this.connection, startAt, undefined, (subject, { record: { position } }) => {
      if (partitionOf(deliveredChannel(subject), this.config.partitions) === this.partition)
        held.add(placeText(position));
    });
    return held;
  }

  /** Sends the messages in their order. */
  send(messages: readonly Deliverable[]): FannedOut {
    const outgoing: OutgoingMessage[] = [];
    const fanned: Deliverable[] = [];
    for (const message of messages) {
      const channel = channelOf(message);
      const isPassed = this.isPassed(message);
      if (isPassed && this.held?.has(placeText(message.position)) !== false) {
        fanned.push(message);
        continue;
      }
      // What was before it is not known any more: what the stream holds behind it names it, so that nobody goes on without it.
      const previous = isPassed ? undefined : this.last.get(channel);
      const payload = payloadOf(message, previous);
      if (payload.length > this.connection.maxPayload) {
        // The doors let nothing in that would become so large; should the server's limit be lowered, the chain goes on.
        this.onTooLarge(message.id, payload.length);
        continue;
      }
      outgoing.push({ subject: deliverSubject(channel), payload });
      fanned.push(message);
      if (!isPassed) this.remember(channel, message.position);
    }
    return { confirmed: this.publisher.publishInOrder(outgoing), fanned };
  }

  /** Learns the last positions of channels that this worker does not know from the deliver stream. */
  private async recall(named: readonly string[]): Promise<void> {
    const channels = [...new Set(named)].filter((channel) => !this.last.has(channel));
    for (let from = 0; from < channels.length; from += LOOKUPS_AT_ONCE) {
      await Promise.all(
        channels.slice(from, from + LOOKUPS_AT_ONCE).map(async (channel) => {
          const newest = await lastDelivered(this.connection, channel);
          if (newest === undefined) return;
          const found = await furthestDelivered(this.connection, channel, newest, this.config.clockToleranceMs);
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

const placeText = ({ epoch, sequence }: Position): string => `${epoch}:${sequence}`;

function payloadOf(one: Deliverable, previous: Position | undefined): Buffer {
  if (one.record === undefined) return messagePayload(one, previous);
  const { id, position, record } = one;
  const { exceptConnectionId, notice, frame } = record;
  return encodeDeliverRecord({ position, previous, id, exceptConnectionId, notice, frame });
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
