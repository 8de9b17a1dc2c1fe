import { ErrorCode, ProtocolError } from '@hearth/protocol';
import { deadline, TimeoutError, within, type CancelDeadline } from '@hearth/timing';
import {
  encodeIngest,
  homePartition,
  IngestEvent,
  IngestOperation,
  OperationReply,
  partitionOf,
  type Placed,
} from '@hearth/wire';
import { createInbox } from 'nats';
import { AckedPublisher } from './acked-publisher';
import { ENVELOPE_BYTES, StreamConnection, StreamUnavailableError } from './connection';
import { IngestBundler } from './ingest-bundler';
import { IngestTurns } from './ingest-turns';
import { LONGEST_DEADLINE_MS } from './streams';

export interface IngestSettings {
  readonly partitions: number;
  /** A message that is not confirmed within so many ms, 10,000 at most, is reported as not accepted. */
  readonly httpTimeoutMs: number;
  /**
   * What "accepted" means: `stream`, JetStream has it and it is sure to be processed once whatever process dies; `log`,
   * it has also been committed and fanned out.
   */
  readonly publishAck: 'stream' | 'log';
}

/** How something is sent. */
export interface SendOptions {
  /** It may be sent again: a repeat with the same id within some seconds is recognised. */
  readonly id?: string;
  /** It must arrive however long NATS is away, such as the end of a subscription. It waits in memory. */
  readonly atLast?: boolean;
  /** Who sends it, where that is no connection: takes turns with others (`ingest-turns.ts`). */
  readonly source?: string;
}

const ONCE_IN_TIME: SendOptions = {};
/** Those that are never answered are forgotten with all others. */
const MOST_PROBES = 65_536;
/** So long the sender of something with a `ref` waits for its id, once it is accepted (client-library §6). */
const KNOWN_WITHIN_MS = 2_000;

/**
 * The one way into the system: publish-api, gateway and history all accept messages and operations through it. What is
 * for one channel keeps the order of the calls.
 *
 * All of them reject with `ProtocolError` `PAYLOAD_TOO_LARGE`, or with `StreamUnavailableError` when it was not accepted.
 */
export class IngestPublisher {
  private readonly publisher: AckedPublisher;
  private readonly bundler: IngestBundler;
  private readonly inbox = createInbox();
  /** Who waits for an answer of the sequencer, by the subject it comes to. */
  private readonly waiting = new Map<string, (reply: string) => void>();
  private readonly stopListening: () => void;
  private readonly turns = new IngestTurns();
  /** Probes that are on their way, by the subject that their answer comes to. */
  private readonly probes = new Map<string, { readonly partition: number; readonly probe: number }>();
  private answers = 0;
  private readonly deadlineMs: number;

  constructor(
    private readonly connection: StreamConnection,
    private readonly settings: IngestSettings,
  ) {
    this.publisher = new AckedPublisher(connection);
    this.deadlineMs = Math.min(settings.httpTimeoutMs, LONGEST_DEADLINE_MS);
    this.bundler = new IngestBundler(this.publisher);
    this.stopListening = connection.listen(`${this.inbox}.*`, (message) => {
      this.waiting.get(message.subject)?.(message.string());
      this.probed(message.subject);
    });
  }

  /** The partition of a channel. */
  partitionOf(channel: string): number {
    return partitionOf(channel, this.settings.partitions);
  }

  /** The partition in which a gateway's connections are told of. */
  homeOf(gatewayId: number): number {
    return homePartition(gatewayId, this.settings.partitions);
  }

  /** Bytes of `data` as written that fit into a message of NATS together with all that is put around them. */
  get maxDataBytes(): number {
    return this.connection.maxPayload - ENVELOPE_BYTES;
  }

  /**
   * Accepts what a publisher asked for, as `HEARTH_PUBLISH_ACK` says: like `send`, or like `perform`.
   *
   * @param data JSON text, for what carries some
   * @param source who sends it, where that is no connection
   */
  async publish(what: IngestEvent | IngestOperation, data = '', source?: string): Promise<void> {
    await this.accept(what, data, source);
  }

  /**
   * As `publish`.
   *
   * @returns what became of it, when it has a `ref` and that is known within 2 s
   */
  async accept(what: IngestEvent | IngestOperation, data = '', source?: string): Promise<Placed | undefined> {
    if (this.settings.publishAck === 'log') return this.performed(what, data, source);
    if ('ref' in what && what.ref !== undefined) return this.place(what, data, source);
    await this.send(what, data, source === undefined ? ONCE_IN_TIME : { source });
    return undefined;
  }

  /** Accepted when the stream has it; what becomes of it is waited for a little longer. */
  private place(
    what: IngestEvent | IngestOperation,
    data: string,
    source: string | undefined,
  ): Promise<Placed | undefined> {
    return this.ask(what, data, source, async (answer, sent) => {
      // What is answered has been accepted, whatever becomes of the stream's confirmation.
      await Promise.race([answer, sent]);
      return within(KNOWN_WITHIN_MS, answer).catch((error: unknown) => {
        if (error instanceof TimeoutError) return undefined;
        throw error;
      });
    });
  }

  /**
   * Resolves when the stream has it: it is sure to be processed then. While the sequencer does not keep up, what one source
   * sends waits for its turn first.
   */
  send(what: IngestEvent | IngestOperation, data = '', options: SendOptions = ONCE_IN_TIME): Promise<void> {
    if (this.isTooLarge(data)) return this.refuse();
    const { id, atLast, source } = options;
    const partition = 'partition' in what ? what.partition : this.partitionOf(what.channel);
    const timeoutMs = atLast === true ? undefined : this.deadlineMs;
    if (id !== undefined) {
      return this.bundler.publishAlone(partition, encodeIngest(what, data), { messageId: id, timeoutMs });
    }
    const turns = this.turns.of(partition);
    // Answers to operations wait until they are saved.
    const canProbe = !('kind' in what);
    const sender = source ?? ('connectionId' in what ? what.connectionId : undefined);
    const channel = 'channel' in what ? what.channel : '';
    // What clients send comes in one go, too, when it arrives together: that is no batch.
    const isTogether = source !== undefined;
    if (turns.mayGo({ source: sender, channel, isTogether })) {
      return this.sendNow(partition, what, data, timeoutMs, turns.window.send(canProbe, performance.now()));
    }
    return new Promise((resolve, reject) => {
      turns.wait({
        source: sender,
        channel,
        isTogether,
        canProbe,
        timeoutMs,
        send: (probe) => void this.sendNow(partition, what, data, timeoutMs, probe).then(resolve, reject),
        giveUp: reject,
      });
    });
  }

  /** @param probe it shall be, so that it is known when it has been worked on */
  private sendNow(
    partition: number,
    what: IngestEvent | IngestOperation,
    data: string,
    timeoutMs: number | undefined,
    probe: number | undefined,
  ): Promise<void> {
    if (probe === undefined) return this.bundler.publish(partition, encodeIngest(what, data), timeoutMs);
    const acknowledgeTo = what.acknowledgeTo ?? this.nextAnswer();
    if (this.probes.size >= MOST_PROBES) this.probes.clear();
    this.probes.set(acknowledgeTo, { partition, probe });
    return this.bundler.publish(partition, encodeIngest({ ...what, acknowledgeTo }, data), timeoutMs);
  }

  private probed(subject: string): void {
    const known = this.probes.get(subject);
    if (known === undefined) return;
    this.probes.delete(subject);
    this.turns.answered(known.partition, known.probe);
  }

  private nextAnswer(): string {
    return `${this.inbox}.${(this.answers++).toString(36)}`;
  }

  /**
   * Resolves when it has been processed: a message is committed and fanned out, the effect of an operation can be read
   * from Postgres, and so can everything before it.
   *
   * @throws ProtocolError also the sequencer's refusal: nothing was changed
   * @throws StreamUnavailableError also when the answer did not come in time
   */
  async perform(what: IngestEvent | IngestOperation, data = '', source?: string): Promise<void> {
    await this.performed(what, data, source);
  }

  private performed(
    what: IngestEvent | IngestOperation,
    data: string,
    source: string | undefined,
  ): Promise<Placed | undefined> {
    return this.ask(what, data, source, async (answer, sent) => {
      let cancel: CancelDeadline | undefined;
      const late = new Promise<never>((_, reject) => {
        cancel = deadline(this.settings.httpTimeoutMs, () =>
          reject(new StreamUnavailableError('it was queued, but not committed in time')),
        );
      });
      try {
        const [placed] = await Promise.all([Promise.race([answer, late]), sent]);
        return placed;
      } finally {
        cancel?.();
      }
    });
  }

  /**
   * Sends something whose sequencer answers.
   *
   * @param wait for the answer and for the stream, as long as is meant
   */
  private async ask(
    what: IngestEvent | IngestOperation,
    data: string,
    source: string | undefined,
    wait: (answer: Promise<Placed | undefined>, sent: Promise<void>) => Promise<Placed | undefined>,
  ): Promise<Placed | undefined> {
    const acknowledgeTo = this.nextAnswer();
    const text = new Promise<string>((resolve) => this.waiting.set(acknowledgeTo, resolve));
    const sent = this.send({ ...what, acknowledgeTo }, data, { source });
    try {
      return await wait(text.then(placedBy), sent);
    } finally {
      this.waiting.delete(acknowledgeTo);
    }
  }

  close(): void {
    this.stopListening();
    this.turns.close();
    this.bundler.sendAll();
    this.publisher.close();
  }

  private isTooLarge(data: string): boolean {
    // A UTF-16 unit is at most three bytes.
    return data.length * 3 > this.maxDataBytes && Buffer.byteLength(data) > this.maxDataBytes;
  }

  private refuse(): Promise<never> {
    const message = `data must be at most ${this.maxDataBytes} bytes as written`;
    return Promise.reject(new ProtocolError('PAYLOAD_TOO_LARGE', message));
  }
}

/** @throws ProtocolError the sequencer's refusal */
function placedBy(text: string): Placed | undefined {
  // That of a message says nothing more.
  const reply: OperationReply = text === '' ? { done: true } : (JSON.parse(text) as OperationReply);
  if ('error' in reply) throw new ProtocolError(reply.error.code as ErrorCode, reply.error.message);
  return reply.placed;
}
