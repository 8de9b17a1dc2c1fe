import { ProtocolError, protocolErrorOf } from '@hearth/protocol';
import { Logger, LOGGER } from '@hearth/runtime';
import {
  answerCalls,
  AnswerTo,
  GatewayAnswer,
  GatewayCall,
  GatewayReply,
  GatewayRequest,
  StreamConnection,
} from '@hearth/stream';
import { Catch, ExceptionFilter, Inject, Injectable } from '@nestjs/common';
import { CustomTransportStrategy, Server } from '@nestjs/microservices';
import { firstValueFrom, Observable, throwError } from 'rxjs';
import { ConnectionRegistry, OpenConnection } from '../connection/connection-registry';
import { GatewayLease } from '../gateway-lease';

/** What a handler gets: the connection whose credentials came with the request, and what is asked. */
export interface CallOf<Operation extends GatewayRequest['operation']> {
  readonly connection: OpenConnection;
  readonly request: Extract<GatewayRequest, { operation: Operation }>;
}

/** What a handler gives. */
export type ReplyTo<Operation extends GatewayRequest['operation']> = Omit<
  AnswerTo<Extract<GatewayRequest, { operation: Operation }>>,
  'operation'
>;

/** Leaves errors as they are for the transport; Nest's own filter would turn each into "Internal server error". */
@Catch()
export class KeepErrors implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Requests about this gateway's connections, from the nodes that serve the client HTTP API, over NATS request and
 * reply. The handlers are methods with `@MessagePattern(operation)`; nobody gets as far as one without the credentials
 * of an open connection.
 */
@Injectable()
export class GatewayRpcStrategy extends Server implements CustomTransportStrategy {
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly stream: StreamConnection,
    private readonly lease: GatewayLease,
    private readonly connections: ConnectionRegistry,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    super();
  }

  listen(callback: () => void): void {
    this.stopListening();
    this.stopListening = answerCalls(this.stream, this.lease.gatewayId, (call) => this.reply(call));
    callback();
  }

  close(): void {
    this.stopListening();
  }

  /** Nest's interface to events and internals of a transport, of which this one has none to offer. */
  on(): void {}

  unwrap<T>(): T {
    return this.stream as T;
  }

  private async reply(text: string): Promise<GatewayReply> {
    let connection: OpenConnection | undefined;
    try {
      const { credentials, request } = JSON.parse(text) as GatewayCall;
      const { operation } = request;
      const handler = this.getHandlerByPattern(operation);
      if (handler === null) {
        // A newer node may ask for what this gateway does not know.
        throw new ProtocolError('NOT_IMPLEMENTED', `${operation as string} is not known to this gateway`);
      }
      connection = this.connections.authenticate(credentials.connectionId, credentials.connectionSecret);
      connection.takeCall(operation);
      const answered = this.transformToObservable(await handler({ connection, request })) as Observable<object>;
      return { answer: { operation, ...(await firstValueFrom(answered)) } as GatewayAnswer };
    } catch (error) {
      const refusal = protocolErrorOf(error);
      const { code, message, limited } = refusal;
      connection?.refusedCall(refusal);
      if (code === 'INTERNAL_ERROR')
        this.log.error({ err: error }, 'a request from another node could not be answered');
      return { error: { code, message, limited } };
    }
  }
}
