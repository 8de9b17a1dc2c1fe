import { Inject, Injectable } from '@nestjs/common';
import { ProtocolError, PublishRequest, Trigger } from '@hearth/protocol';
import { Logger, LOGGER, traced, Tracing } from '@hearth/service';
import { IngestPublisher, StreamUnavailableError } from '@hearth/stream';
import { randomUUID } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** By which door a message came in. */
export interface PublishSource {
  readonly trigger: Trigger;
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
}

export const INGEST = Symbol('IngestPublisher');
/** For what must be read; accepting a message needs none of it. */
export const DATABASE = Symbol('Database');

/** Accepts messages of backends, whichever door they used. */
@Injectable()
export class Publisher {
  /** Ids of one node rise even within a millisecond (publish-api §6). */
  private readonly nextId = monotonicFactory();

  constructor(
    @Inject(INGEST) private readonly ingest: IngestPublisher,
    private readonly tracing: Tracing,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * @returns when the message is durably queued
   * @throws ProtocolError `SERVICE_UNAVAILABLE` when it is not
   */
  async publish(request: PublishRequest, source: PublishSource): Promise<Accepted> {
    const { channel, event } = request;
    if (request.key !== undefined || request.reaction !== undefined || request.dueMs !== undefined) {
      throw new ProtocolError('NOT_IMPLEMENTED', `event: ${event} with these members is not available yet`);
    }
    const eagerId = request.eagerIdGeneration ? this.nextId() : undefined;
    const requestId = source.requestId ?? randomUUID();
    // Asked first, so that at other levels no message pays for it.
    if (this.logger.level === 'debug')
      this.logger.debug({ requestId, publish: request }, 'a message was sent by a backend');
    const span = this.tracing.begin('publish', requestId);
    try {
      const durable = this.ingest.publish(
        {
          requestId,
          trigger: source.trigger,
          sourceIp: source.sourceIp,
          userAgent: source.userAgent,
          channel,
          event,
          store: request.store,
          emitPubSubEvent: request.emitPubSubEvent,
          deduplicationId: request.deduplicationId,
          eagerId,
        },
        request.data,
      );
      await traced(span, durable);
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) throw error;
      throw new ProtocolError(
        'SERVICE_UNAVAILABLE',
        `the message was not confirmed, try again with the same deduplicationId: ${error.message}`,
        {
          cause: error,
        },
      );
    }
    return eagerId === undefined ? { channel, event } : { id: eagerId, channel, event };
  }
}
