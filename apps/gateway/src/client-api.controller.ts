import { GatewayAnswer, GatewayCall, GatewayRequest } from '@hearth/stream';
import { ArgumentsHost, Catch, Controller, ExceptionFilter, UseFilters } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Observable, throwError } from 'rxjs';
import { ClientPublish } from './client-publish';
import { Connections } from './connections';
import { realChannel, visibleSinceMs } from './permissions';

type CallOf<Operation extends GatewayRequest['operation']> = GatewayCall & {
  readonly request: Extract<GatewayRequest, { operation: Operation }>;
};
interface Answered {
  readonly answer: GatewayAnswer;
}

/** Leaves errors as they are for the transport; Nest's own filter would turn each into "Internal server error". */
@Catch()
class KeepErrors implements ExceptionFilter {
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
    const { channel, id, durable } = this.publishing.publish(connection, request, origin, eagerIdGeneration);
    await durable;
    return { answer: { operation: 'publishMessage', channel, id } };
  }
}
