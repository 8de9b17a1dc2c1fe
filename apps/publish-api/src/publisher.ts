import { Inject, Injectable } from '@nestjs/common';
import { ProtocolError, PublishRequest, ServerReaction } from '@hearth/protocol';
import { IngestEvent, OperationOrigin, ScheduleNaming, StorageOperation, Trigger } from '@hearth/wire';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER, traced, Tracing } from '@hearth/runtime';
import { Database, findMessage, FoundMessage } from '@hearth/store';
import { IngestPublisher, schedule, StreamUnavailableError } from '@hearth/stream';
import { installationNow, TimeoutError } from '@hearth/timing';
import { randomUUID } from 'node:crypto';
import { monotonicFactory } from 'ulid';
import { Deadline } from './answer-deadline';
import { storageWrite } from './storage-write';

/** By which door a message came in. */
export interface PublishSource {
  readonly trigger: Trigger;
  /** Whose key it was, by a name that is none; what one key publishes takes turns with what others do. */
  readonly key: string;
  /** UUID that the door has told, or will tell, its caller; without it the request gets one nobody hears of. */
  readonly requestId?: string;
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

/** Answer to a publish (publish-api §4): `id` only for eager requests. */
export interface Accepted {
  readonly id?: string;
  readonly channel: string;
  readonly event: string;
  /** Of what was scheduled. */
  readonly scheduleArn?: string;
}

/** What a request becomes on the ingest stream once everything about it has been checked. */
type Checked = PublishRequest & { readonly target?: FoundMessage };

/** Accepts messages of backends, whichever door they used. */
@Injectable()
export class Publisher {
  /** Ids of one node rise even within a millisecond (publish-api §6). */
  private readonly nextId = monotonicFactory();

  constructor(
    private readonly ingest: IngestPublisher,
    /** For what must be read; accepting a message needs none of it. */
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: ScheduleNaming & Pick<HearthConfig, 'httpTimeoutMs'>,
    private readonly tracing: Tracing,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Bytes of `data` as written that one message may have. */
  get maxDataBytes(): number {
    return this.ingest.maxDataBytes;
  }

  /**
   * @returns when the message is durably queued; for a reaction, when it can be read
   * @throws ProtocolError `SERVICE_UNAVAILABLE` when it is not, `MESSAGE_NOT_FOUND`, `PAYLOAD_TOO_LARGE`
   */
  publish(request: PublishRequest, source: PublishSource): Promise<Accepted> {
    if (request.reaction === undefined) return this.accept(request, source);
    const deadline = new Deadline(this.config.httpTimeoutMs);
    return this.withTarget(request, deadline).then((checked) => this.accept(checked, source, deadline));
  }

  /**
   * Publishes those of one channel in their order. One at fault is none published; after an outage some may be, as the message of
   * a single publish may.
   *
   * @throws ProtocolError as `publish`, with the `index` of the request at fault
   */
  async publishAll(requests: readonly PublishRequest[], source: PublishSource): Promise<Accepted[]> {
    const isReacting = requests.some(({ reaction }) => reaction !== undefined);
    if (!isReacting) return Promise.all(requests.map((request) => this.accept(request, source)));
    const deadline = new Deadline(this.config.httpTimeoutMs);
    const checked = await this.withTargets(requests, deadline);
    return Promise.all(checked.map((request) => this.accept(request, source, deadline)));
  }

  /**
   * Calls for one channel are queued in their order.
   *
   * @param deadline of a request that has waited before; queueing has the same limit of its own
   */
  private async accept(request: Checked, source: PublishSource, deadline?: Deadline): Promise<Accepted> {
    const origin = originOf(source);
    const { requestId } = origin;
    // Asked first, so that at other levels no message pays for it.
    if (this.logger.level === 'debug')
      this.logger.debug({ requestId, publish: request }, 'a message was sent by a backend');
    const span = this.tracing.begin('publish', requestId);
    try {
      const queued = this.queue(request, origin, source.key);
      return await traced(span, deadline === undefined ? queued : deadline.bound(queued));
    } catch (error) {
      throw isOutage(error) ? unavailable('the message was not confirmed', error) : error;
    }
  }

  private queue(request: Checked, origin: OperationOrigin, source: string): Promise<Accepted> {
    const { channel, event, key, reaction, dueMs, data } = request;
    if (reaction !== undefined) return this.react(request, reaction, origin, source);
    if (key !== undefined) return this.setStorage(request, key, origin, source);
    const message = this.messageOf(request, origin);
    if (dueMs !== undefined) return this.schedule(message, event, data, dueMs, source);
    const { eagerId } = message;
    const accepted = eagerId === undefined ? { channel, event } : { id: eagerId, channel, event };
    return this.ingest.publish(message, data, source).then(() => accepted);
  }

  private messageOf(request: PublishRequest, origin: OperationOrigin): IngestEvent {
    // Written out: on the hottest path, a spread costs several times as much as the whole object.
    return {
      requestId: origin.requestId,
      trigger: origin.trigger,
      sourceIp: origin.sourceIp,
      userAgent: origin.userAgent,
      channel: request.channel,
      event: request.event,
      store: request.store,
      emitPubSubEvent: request.emitPubSubEvent,
      deduplicationId: request.deduplicationId,
      eagerId: request.eagerIdGeneration ? this.nextId(installationNow()) : undefined,
    };
  }

  /** For what is due later (publish-api §7). */
  private async schedule(
    target: IngestEvent | StorageOperation,
    event: string,
    data: string,
    dueMs: number,
    source: string,
  ): Promise<Accepted> {
    const { eagerId, scheduleArn, accepted } = schedule(this.ingest, this.config, target, data, dueMs, source);
    await accepted;
    const { channel } = target;
    return { ...(eagerId === undefined ? {} : { id: eagerId }), channel, event, scheduleArn };
  }

  /** Sets or clears a storage entry, now or when it is due (publish-api §8). */
  private async setStorage(
    request: PublishRequest,
    key: string,
    origin: OperationOrigin,
    source: string,
  ): Promise<Accepted> {
    const { channel, event, data, dueMs } = request;
    const write = storageWrite(request, key, origin);
    if (dueMs !== undefined) return this.schedule(write, event, data, dueMs, source);
    await this.ingest.publish(write, data, source);
    return { channel, event };
  }

  /** Reacts in the name of a user, or as the one anonymous user of servers (publish-api §8). */
  private async react(
    request: Checked,
    reaction: ServerReaction,
    origin: OperationOrigin,
    source: string,
  ): Promise<Accepted> {
    const { channel, event, emitPubSubEvent, deduplicationId, target } = request;
    const operation = {
      kind: 'reaction',
      ...origin,
      ...reaction,
      channel,
      emitPubSubEvent,
      deduplicationId,
      expiresMs: target?.expiresMs ?? undefined,
    } as const;
    await this.ingest.perform(operation, '', source);
    return { channel, event };
  }

  private withTargets(requests: readonly PublishRequest[], deadline: Deadline): Promise<Checked[]> {
    return Promise.all(
      requests.map(async (request, index) => {
        try {
          return await this.withTarget(request, deadline);
        } catch (error) {
          const { code, message, cause } = error as ProtocolError;
          throw new ProtocolError(code, message, { index, cause });
        }
      }),
    );
  }

  /** Finds what a reaction is for. */
  private async withTarget(request: PublishRequest, deadline: Deadline): Promise<Checked> {
    const { channel, reaction } = request;
    if (reaction === undefined) return request;
    let target: FoundMessage | undefined;
    try {
      const settled = (): Promise<void> => this.ingest.perform({ kind: 'barrier', channel });
      target = await deadline.bound(findMessage(this.database.db, channel, reaction.messageId, settled));
    } catch (error) {
      throw unavailable('data.messageId cannot be looked up', error);
    }
    if (target !== undefined) return { ...request, target };
    throw new ProtocolError('MESSAGE_NOT_FOUND', `data.messageId: there is no such message stored in ${channel}`);
  }
}

function originOf(source: PublishSource): OperationOrigin {
  const { trigger, requestId = randomUUID(), sourceIp, userAgent } = source;
  return { trigger, requestId, sourceIp, userAgent };
}

function isOutage(error: unknown): error is Error {
  return error instanceof StreamUnavailableError || error instanceof TimeoutError;
}

function unavailable(what: string, cause: unknown): ProtocolError {
  const reason = isOutage(cause) ? `: ${cause.message}` : '';
  return new ProtocolError('SERVICE_UNAVAILABLE', `${what}, try again with the same deduplicationId${reason}`, {
    cause,
  });
}
