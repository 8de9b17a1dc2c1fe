import { randomUUID } from 'node:crypto';
import { ErrorCode, IngestEvent, metaJson, ProtocolError } from '@hearth/protocol';
import { Logger, Metrics, traced, Tracing } from '@hearth/service';
import { IngestPublisher } from '@hearth/stream';
import { monotonicFactory } from 'ulid';
import { realChannel, Requester } from './permissions';

/** A message as a client asked for it; its data has been checked. */
export interface ClientMessage {
  /** May be an alias. */
  readonly channel: string;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
}

/** How it came. */
export interface ClientOrigin {
  readonly trigger: 'client.websocket' | 'client.http';
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

export interface AcceptedMessage {
  /** Real name. */
  readonly channel: string;
  /** The promised id, `null` when none was asked for. */
  readonly id: string | null;
  /** Resolves once the message is durable; rejects with `SERVICE_UNAVAILABLE` when it was not accepted. */
  readonly durable: Promise<void>;
}

/** Messages of clients, from their sockets and over HTTP, on their way to the sequencer. */
export class ClientPublish {
  private readonly nextId = monotonicFactory();

  constructor(
    private readonly ingest: Pick<IngestPublisher, 'publish'>,
    private readonly metrics: Metrics,
    private readonly tracing: Tracing,
    private readonly logger: Logger,
  ) {}

  /**
   * Decides (tokens-and-claims §5.4) and hands the message on; messages keep the order of the calls.
   *
   * @param eagerId whether to promise the message's id now
   * @throws ProtocolError when the requester may not publish it
   */
  publish(requester: Requester, message: ClientMessage, origin: ClientOrigin, eagerId = false): AcceptedMessage {
    const channel = realChannel(message.channel, requester);
    const id = eagerId ? this.nextId() : null;
    const event = this.ingestEvent(requester, channel, message.event, origin);
    // Asked first, so that at other levels no message pays for it.
    if (this.logger.level === 'debug') {
      const { requestId } = event;
      this.logger.debug({ requestId, connectionId: requester.id, publish: message }, 'a message was sent by a client');
    }
    const span = this.tracing.begin('client.publish', event.requestId);
    const queued = this.ingest.publish(id === null ? event : { ...event, eagerId: id }, message.data);
    const durable = traced(span, queued).then(
      () => {
        // What comes over HTTP is counted where the request arrived.
        if (origin.trigger === 'client.websocket') this.metrics.accepted.of('websocket').inc();
      },
      (error: unknown) => {
        this.metrics.publishRefused.of('SERVICE_UNAVAILABLE').inc();
        throw new ProtocolError('SERVICE_UNAVAILABLE', 'the message was not confirmed, it may be sent again', {
          cause: error,
        });
      },
    );
    return { channel, id, durable };
  }

  private ingestEvent(requester: Requester, channel: string, event: string, origin: ClientOrigin): IngestEvent {
    const subscription = requester.subscription(channel);
    const grants = subscription?.grants ?? requester.grants;
    const decision = grants.publishDecision(channel, event, subscription !== undefined);
    if (decision !== 'allow') throw this.refusal(decision, channel, event);
    const { echo, emitPubSubEvent, store } = grants.messageDirectives(channel, event);
    return {
      requestId: randomUUID(),
      channel,
      event,
      trigger: origin.trigger,
      store,
      emitPubSubEvent,
      meta: metaJson(subscription?.identity ?? requester.identity),
      connectionId: requester.id,
      echo,
      sourceIp: origin.sourceIp,
      userAgent: origin.userAgent,
    };
  }

  private refusal(code: ErrorCode, channel: string, event: string): ProtocolError {
    this.metrics.publishRefused.of(code).inc();
    return new ProtocolError(
      code,
      code === 'NOT_SUBSCRIBED'
        ? `channel: publishing to ${channel} needs a subscription`
        : `event: publishing ${event} to ${channel} is not granted`,
    );
  }
}
