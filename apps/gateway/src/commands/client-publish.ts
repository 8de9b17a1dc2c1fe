import { randomUUID } from 'node:crypto';
import { metaJson, ProtocolError, protocolErrorOf } from '@hearth/protocol';
import { clientRef, IngestEvent, type Placed, scheduleArn, ScheduleNaming } from '@hearth/wire';
import { CONFIG, Logger, LOGGER, Metrics, traced, Tracing } from '@hearth/runtime';
import { IngestPublisher, schedule } from '@hearth/stream';
import { installationNow } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';
import { monotonicFactory } from 'ulid';
import { grantsIn, maySchedule, realChannel, Requester } from '../connection/permissions';
import { ChannelCaps } from '../limits/channel-caps';

/** A message as a client asked for it; its data has been checked. */
export interface ClientMessage {
  /** May be an alias. */
  readonly channel: string;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
  /** When it is due, ms since 1970; absent = now. */
  readonly dueMs?: number;
  /** Tells a repeat from another message (client-library §6). */
  readonly ref?: string;
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
  /** Of a scheduled message. */
  readonly scheduleArn?: string;
  /** Settles as `IngestPublisher.publish` does. */
  readonly accepted: Promise<Placed | undefined>;
}

type Refusal = 'NOT_SUBSCRIBED' | 'PUBLISH_PERMISSION_DENIED' | 'SCHEDULE_PERMISSION_DENIED';

/** Messages of clients, from their sockets and over HTTP, on their way to the sequencer. */
@Injectable()
export class ClientPublish {
  private readonly nextId = monotonicFactory();

  constructor(
    private readonly ingest: IngestPublisher,
    private readonly metrics: Metrics,
    private readonly tracing: Tracing,
    private readonly caps: ChannelCaps,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly naming: ScheduleNaming,
  ) {}

  /**
   * Decides (tokens-and-claims §5.4) and hands the message on; messages keep the order of the calls.
   *
   * @param eagerId whether to promise the message's id now
   * @throws ProtocolError when the requester may not publish it
   */
  publish(requester: Requester, message: ClientMessage, origin: ClientOrigin, eagerId = false): AcceptedMessage {
    const channel = realChannel(message.channel, requester);
    const promisedId = eagerId ? this.nextId(installationNow()) : undefined;
    const event = this.ingestEvent(requester, channel, message, origin, promisedId);
    // Asked first, so that at other levels no message pays for it.
    if (this.logger.level === 'debug') {
      const { requestId } = event;
      this.logger.debug({ requestId, connectionId: requester.id, publish: message }, 'a message was sent by a client');
    }
    const { dueMs, data } = message;
    if (dueMs === undefined) {
      const accepted = this.counted(this.ingest.accept(event, data), event);
      return { channel, id: event.eagerId ?? null, accepted };
    }
    const scheduled = schedule(this.ingest, this.naming, event, data, dueMs, requester.id);
    const accepted = this.counted(scheduled.accepted, event);
    return { channel, id: scheduled.eagerId ?? null, scheduleArn: scheduled.scheduleArn, accepted };
  }

  /**
   * Whether there is room for what is due later; `publish` decides about everything else.
   *
   * @returns `undefined` when there is, as is known already; else when the promise resolves
   * @throws ProtocolError `LIMIT_REACHED`, by the promise
   */
  admit(requester: Requester, { channel: name, event, dueMs }: ClientMessage): Promise<void> | undefined {
    if (dueMs === undefined) return undefined;
    const channel = realChannel(name, requester);
    const grants = grantsIn(channel, requester);
    // What is not granted is refused for that.
    const isGranted = maySchedule(dueMs, grants.messageDirectives(channel, event).scheduleBefore);
    return isGranted ? this.caps.schedule(channel) : undefined;
  }

  /** Name of a schedule, as its publisher is told. */
  scheduleArn(scheduleId: string): string {
    return scheduleArn(this.naming, scheduleId);
  }

  private counted(
    queued: Promise<Placed | undefined>,
    { trigger, requestId }: IngestEvent,
  ): Promise<Placed | undefined> {
    return traced(this.tracing.begin('client.publish', requestId), queued).then(
      (placed) => {
        // What comes over HTTP is counted where the request arrived.
        if (trigger === 'client.websocket') this.metrics.accepted.of('websocket').inc();
        return placed;
      },
      (error: unknown) => {
        this.metrics.publishRefused.of(protocolErrorOf(error).code).inc();
        throw error;
      },
    );
  }

  private ingestEvent(
    requester: Requester,
    channel: string,
    { event, dueMs, ref }: ClientMessage,
    origin: ClientOrigin,
    eagerId: string | undefined,
  ): IngestEvent {
    const subscription = requester.subscription(channel);
    const grants = grantsIn(channel, requester);
    const decision = grants.publishDecision(channel, event, subscription !== undefined);
    if (decision !== 'allow') throw this.refusal(decision, channel, event);
    const { echo, emitPubSubEvent, store, scheduleBefore } = grants.messageDirectives(channel, event);
    if (dueMs !== undefined && !maySchedule(dueMs, scheduleBefore)) {
      throw this.refusal('SCHEDULE_PERMISSION_DENIED', channel, event);
    }
    const identity = subscription?.identity ?? requester.identity;
    return {
      requestId: randomUUID(),
      channel,
      event,
      trigger: origin.trigger,
      store,
      emitPubSubEvent,
      eagerId,
      ref: clientRef(ref, identity.uid, requester.id),
      meta: metaJson(identity),
      connectionId: requester.id,
      echo,
      sourceIp: origin.sourceIp,
      userAgent: origin.userAgent,
      introduces: emitPubSubEvent ? requester.introduction : undefined,
    };
  }

  private refusal(code: Refusal, channel: string, event: string): ProtocolError {
    this.metrics.publishRefused.of(code).inc();
    return new ProtocolError(code, reasonFor(code, channel, event));
  }
}

function reasonFor(code: Refusal, channel: string, event: string): string {
  switch (code) {
    case 'NOT_SUBSCRIBED':
      return `channel: publishing to ${channel} needs a subscription`;
    case 'SCHEDULE_PERMISSION_DENIED':
      return `scheduleExpression: scheduling ${event} in ${channel} for that instant is not granted`;
    case 'PUBLISH_PERMISSION_DENIED':
      return `event: publishing ${event} to ${channel} is not granted`;
  }
}
