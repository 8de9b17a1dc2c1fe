import { randomUUID } from 'node:crypto';
import { ProtocolError, protocolErrorOf, REACTION_EVENT, ReactionRequest } from '@hearth/protocol';
import { clientRef, type OperationOf, type Placed } from '@hearth/wire';
import { Metrics } from '@hearth/runtime';
import { Database, findMessage, FoundMessage } from '@hearth/store';
import { IngestPublisher } from '@hearth/stream';
import { Injectable } from '@nestjs/common';
import type { ClientOrigin } from './client-publish';
import { realChannel, Requester } from '../connection/permissions';
import type { Subscription } from '../connection/subscription';
import { ChannelCaps } from '../limits/channel-caps';

/** A client's reaction to a message. */
export interface ClientReaction extends ReactionRequest {
  /** May be an alias. */
  readonly channel: string;
  /** Tells a repeat from another reaction (client-library §6). */
  readonly ref?: string;
}

export interface AcceptedReaction {
  /** Real name. */
  readonly channel: string;
  /** Over HTTP it can be read when this resolves, on a socket it is accepted. */
  readonly accepted: Promise<Placed | undefined>;
}

/** Reactions of clients, from their sockets and over HTTP, on their way to the sequencer (channels-presence-storage §6.2). */
@Injectable()
export class ClientReactions {
  constructor(
    private readonly ingest: IngestPublisher,
    private readonly database: Database,
    private readonly metrics: Metrics,
    private readonly caps: ChannelCaps,
  ) {}

  /**
   * Checks everything and hands the reaction on; what is handed on keeps the order of the calls.
   *
   * @throws ProtocolError when it is refused
   * @throws OutageError when it may be asked for again: nothing happens twice
   */
  async react(requester: Requester, request: ClientReaction, origin: ClientOrigin): Promise<AcceptedReaction> {
    try {
      const operation = await this.operation(requester, request, origin);
      return { channel: operation.channel, accepted: this.handOn(operation) };
    } catch (error) {
      this.count(error);
      throw error;
    }
  }

  private async handOn(operation: OperationOf<'reaction'>): Promise<Placed | undefined> {
    const overHttp = operation.trigger === 'client.http';
    try {
      // What comes over HTTP is counted where the request arrived.
      if (overHttp) return void (await this.ingest.perform(operation));
      const placed = await this.ingest.accept(operation);
      this.metrics.accepted.of('websocket').inc();
      return placed;
    } catch (error) {
      this.count(error);
      throw error;
    }
  }

  private count(error: unknown): void {
    this.metrics.publishRefused.of(protocolErrorOf(error).code).inc();
  }

  /** @throws ProtocolError also `LIMIT_REACHED` */
  private async operation(
    requester: Requester,
    request: ClientReaction,
    origin: ClientOrigin,
  ): Promise<OperationOf<'reaction'>> {
    const channel = realChannel(request.channel, requester);
    const subscription = requester.subscription(channel);
    if (subscription === undefined) {
      throw new ProtocolError('NOT_SUBSCRIBED', `channel: reacting in ${channel} needs a subscription`);
    }
    const { uid, umdJson } = subscription.identity;
    if (uid === null) {
      throw new ProtocolError('REACTION_USER_ID_REQUIRED', 'reacting needs a token with a uid');
    }
    const target = await this.target(channel, request.messageId);
    allowReaction(subscription, channel, target.event, request.reaction);
    if (request.action === 'add') await this.caps.reaction(channel, request.messageId, uid, request.reaction);
    const { grants } = subscription;
    return {
      kind: 'reaction',
      channel,
      messageId: request.messageId,
      reaction: request.reaction,
      action: request.action,
      uid,
      umdJson,
      echo: grants.messageDirectives(channel, REACTION_EVENT).echo,
      emitPubSubEvent: grants.messageDirectives(channel, target.event).emitPubSubEvent,
      expiresMs: target.expiresMs ?? undefined,
      ref: clientRef(request.ref, uid, requester.id),
      requestId: randomUUID(),
      connectionId: requester.id,
      ...origin,
      introduces: requester.introduction,
    };
  }

  private async target(channel: string, messageId: string): Promise<FoundMessage> {
    const settle = () => this.ingest.perform({ kind: 'barrier', channel });
    const found = await findMessage(this.database.db, channel, messageId, settle);
    if (found !== undefined) return found;
    throw new ProtocolError('MESSAGE_NOT_FOUND', `data.messageId: there is no such message stored in ${channel}`);
  }
}

function allowReaction({ grants }: Subscription, channel: string, event: string, reaction: string): void {
  const allowed = grants.react(channel, event);
  if (allowed === true || (allowed !== false && allowed.has(reaction))) return;
  throw new ProtocolError(
    'REACTION_PERMISSION_DENIED',
    `data.reaction: reacting so to messages with the event ${event} is not granted`,
  );
}
