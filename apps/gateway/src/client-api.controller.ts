import { ProtocolError } from '@hearth/protocol';
import { GatewayAnswer, GatewayCall, GatewayRequest, IngestPublisher } from '@hearth/stream';
import { ArgumentsHost, Catch, Controller, ExceptionFilter, Inject, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Observable, throwError } from 'rxjs';
import { ClientPublish } from './client-publish';
import { ClientReactions } from './client-reactions';
import { Connections } from './connections';
import { realChannel, visibleSinceMs } from './permissions';

export type CallOf<Operation extends GatewayRequest['operation']> = GatewayCall & {
  readonly request: Extract<GatewayRequest, { operation: Operation }>;
};
export interface Answered {
  readonly answer: GatewayAnswer;
}

export const INGEST = Symbol('IngestPublisher');

/** Leaves errors as they are for the transport; Nest's own filter would turn each into "Internal server error". */
@Catch()
export class KeepErrors implements ExceptionFilter {
  catch(error: unknown, _host: ArgumentsHost): Observable<never> {
    return throwError(() => error);
  }
}

/** What the client HTTP API asks about a connection of this gateway (client-http-api §3, §4). */
@Controller()
@UseFilters(KeepErrors)
export class ClientApiController {
  constructor(
    private readonly connections: Connections,
    private readonly publishing: ClientPublish,
    private readonly reactions: ClientReactions,
    @Inject(INGEST) private readonly ingest: IngestPublisher,
  ) {}

  /** Which channel is meant, and how far back its history is visible. */
  @MessagePattern('listMessages')
  listMessages(@Payload() { credentials, request }: CallOf<'listMessages'>): Answered {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const channel = realChannel(request.channel, connection);
    return { answer: { operation: 'listMessages', channel, sinceMs: visibleSinceMs(channel, connection) } };
  }

  /** Publishes as the connection; answers once the message is durable. */
  @MessagePattern('publishMessage')
  async publishMessage(@Payload() { credentials, request }: CallOf<'publishMessage'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const { sourceIp, userAgent, eagerIdGeneration } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    const { durable, ...accepted } = this.publishing.publish(connection, request, origin, eagerIdGeneration);
    await durable;
    return { answer: { operation: 'publishMessage', ...accepted } };
  }

  /** Reacts as the connection; answers once that can be read. */
  @MessagePattern('react')
  async react(@Payload() { credentials, request }: CallOf<'react'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const { sourceIp, userAgent } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    return { answer: { operation: 'react', channel: await this.reactions.react(connection, request, origin) } };
  }

  /** Which channel's messages the connection may ask about, and how far back. Needs the subscription (§5). */
  @MessagePattern('listReactions')
  async listReactions(@Payload() { credentials, request }: CallOf<'listReactions'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const channel = realChannel(request.channel, connection);
    if (!connection.isSubscribed(channel)) {
      throw new ProtocolError('NOT_SUBSCRIBED', `channel: this connection is not subscribed to ${channel}`);
    }
    const sinceMs = visibleSinceMs(channel, connection);
    await this.untilReadable(channel);
    return { answer: { operation: 'listReactions', channel, sinceMs } };
  }

  private async untilReadable(channel: string): Promise<void> {
    try {
      await this.ingest.barrier(channel);
    } catch (error) {
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'it cannot be read at the moment, try again', { cause: error });
    }
  }
}
