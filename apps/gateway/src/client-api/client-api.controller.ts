import { ProtocolError } from '@hearth/protocol';
import { GatewayAnswer, GatewayCall, GatewayRequest } from '@hearth/stream';
import { ArgumentsHost, Catch, Controller, ExceptionFilter, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Observable, throwError } from 'rxjs';
import { Attendance } from '../attendance/attendance';
import { ClientPublish } from '../commands/client-publish';
import { ClientReactions } from '../commands/client-reactions';
import { Connections } from '../connection/connections';
import { realChannel, requireGetInfo, visibleSinceMs } from '../connection/permissions';
import { UmdUpdates } from '../commands/umd-updates';

export type CallOf<Operation extends GatewayRequest['operation']> = GatewayCall & {
  readonly request: Extract<GatewayRequest, { operation: Operation }>;
};
export interface Answered {
  readonly answer: GatewayAnswer;
}

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
    private readonly umd: UmdUpdates,
    private readonly attendance: Attendance,
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
    await this.attendance.upToDate(channel);
    return { answer: { operation: 'listReactions', channel, sinceMs } };
  }

  /** Which channel is meant; answers once everything that was accepted before can be read from Postgres. */
  @MessagePattern('getChannelInfo')
  async getChannelInfo(@Payload() { credentials, request }: CallOf<'getChannelInfo'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    const channel = realChannel(request.channel, connection);
    requireGetInfo(channel, connection);
    await this.attendance.upToDate(channel);
    return { answer: { operation: 'getChannelInfo', channel } };
  }

  /** Changes user metadata of the connection or of one of its subscriptions. */
  @MessagePattern('umdUpdate')
  async umdUpdate(@Payload() { credentials, request }: CallOf<'umdUpdate'>): Promise<Answered> {
    const connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
    await this.umd.update(connection, request);
    return { answer: { operation: 'umdUpdate' } };
  }
}
