import { setTimeout as delay } from 'node:timers/promises';
import { messageHead, messageId, messageTail } from '@hearth/protocol';
import {
  ASK_TAILS_SUBJECT,
  decodeBundle,
  decodeIngest,
  deliverSubject,
  encodeDeliverRecord,
  encodeTailBeacons,
  ingestStream,
  type OperationOf,
  type Position,
  tailSubject,
} from '@hearth/wire';
import { AckedPublisher, PullConsumer, StreamConnection } from '@hearth/stream';

/** Sends what a sequencer sends, and can be told to send it wrong. */
export class FakeSequencer {
  private sequence = 0;
  private epoch = 1;
  private readonly last = new Map<string, Position>();
  /** What it was asked for, and has not answered. */
  readonly joins: OperationOf<'join'>[] = [];
  private readonly publisher: AckedPublisher;
  private isClosed = false;
  private beacons = 0;

  private constructor(private readonly stream: StreamConnection) {
    stream.listen(ASK_TAILS_SUBJECT, () => this.tellEnd());
    this.publisher = new AckedPublisher(stream);
  }

  static async open(natsUrl: string): Promise<FakeSequencer> {
    const quiet = { info: () => undefined, warn: () => undefined };
    return new FakeSequencer(await StreamConnection.open({ natsUrls: [natsUrl] }, 'fake-sequencer', quiet));
  }

  /**
   * The next message of a channel; `record` is what goes to the gateways.
   *
   * @param options.id an eager one
   */
  next(
    channel: string,
    data: unknown,
    options: { id?: string; event?: string; meta?: string; except?: string; dataText?: string } = {},
  ): { id: string; record: Buffer; channel: string } {
    const position = { epoch: this.epoch, sequence: ++this.sequence };
    const previous = this.last.get(channel);
    this.last.set(channel, position);
    const id = options.id ?? messageId(Date.now(), this.sequence, 0);
    const frame = Buffer.from(
      messageHead(id, options.event ?? 'e', channel) +
        (options.dataText ?? JSON.stringify(data)) +
        messageTail(options.meta),
    );
    const record = encodeDeliverRecord({ position, previous, id, exceptConnectionId: options.except, frame });
    return { id, record, channel };
  }

  /** Tells gateways that a connection has entered a presence channel. */
  async letIn(join: OperationOf<'join'>): Promise<void> {
    const { channel, connectionId, attempt = 0 } = join;
    const position = { epoch: this.epoch, sequence: ++this.sequence };
    const previous = this.last.get(channel);
    this.last.set(channel, position);
    const joined = { connectionId, attempt, members: Buffer.from('[]') };
    const record = encodeDeliverRecord({
      position,
      previous,
      id: messageId(Date.now(), this.sequence, 0),
      notice: { kind: 'presence', joined },
      frame: Buffer.alloc(0),
    });
    await this.send({ channel, record });
  }

  /** Publishes a record to gateways and the deliver stream. */
  send({ channel, record }: { channel: string; record: Buffer }): Promise<void> {
    return this.publisher.publish(deliverSubject(channel), record);
  }

  /** Makes and sends the next message of a channel; gives its id. */
  async publish(channel: string, data: unknown, options?: Parameters<FakeSequencer['next']>[2]): Promise<string> {
    const message = this.next(channel, data, options);
    await this.send(message);
    return message.id;
  }

  /** Gives so many places out again, as if it had begun after a power cut that took them, and knows no channel any more. */
  loseTail(places: number): void {
    this.sequence -= places;
    this.last.clear();
  }

  /** Says where all its channels end, as the owner of a partition does every so often. */
  tellTails(): void {
    const [beacon = ''] = encodeTailBeacons(1, ++this.beacons, this.last);
    this.stream.tell(tailSubject(0), beacon);
  }

  /** Says where all partitions end, and nothing of channels. */
  tellEnd(): void {
    const end = { epoch: this.epoch, sequence: this.sequence };
    const [beacon = ''] = encodeTailBeacons(1, ++this.beacons, [], { end });
    for (const partition of [0, 1]) this.stream.tell(tailSubject(partition), beacon);
  }

  /** From now on every message that a client publishes is delivered, as a real sequencer would. */
  async run(partitions: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      const reader = await PullConsumer.open(this.stream, ingestStream(partition), 'first');
      void this.deliverFrom(partition, reader);
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.publisher.close();
    await this.stream.close();
  }

  private async deliverFrom(partition: number, first: PullConsumer): Promise<void> {
    let reader = first;
    let done = 0;
    while (!this.isClosed) {
      try {
        for (const { payload, sequence } of await reader.next(1_000)) {
          done = sequence;
          for (const one of decodeBundle(payload)) this.deliver(one);
        }
      } catch {
        // NATS is away: the reader is lost, and so is every attempt to get another one until it is back.
        await delay(100);
        const start = { sequence: done + 1 };
        reader = await PullConsumer.open(this.stream, ingestStream(partition), start).catch(() => reader);
      }
    }
    reader.close();
  }

  private deliver(payload: Buffer): void {
    const { event, operation, data } = decodeIngest(payload);
    if (operation?.kind === 'join') this.joins.push(operation);
    // Other operations change nothing that tests of gateways alone look at.
    if (event === undefined) return;
    const except = event.echo === true ? undefined : event.connectionId;
    const options = { event: event.event, meta: event.meta, except, dataText: data.toString() };
    this.send(this.next(event.channel, undefined, options)).catch(() => undefined);
  }
}
