import { ProtocolError } from '@hearth/protocol';
import { gatewaySubject } from '@hearth/wire';
import { Logger } from '@hearth/runtime';
import { GatewayCall, GatewayReply, StreamConnection } from '@hearth/stream';
import { CustomTransportStrategy, Server } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { GatewayLease } from '../gateway-lease';

/**
 * Requests about this gateway's connections, from the nodes that serve the client HTTP API, over NATS request and
 * reply. The handlers are methods with `@MessagePattern(operation)`.
 */
export class GatewayRpcStrategy extends Server implements CustomTransportStrategy {
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly stream: StreamConnection,
    private readonly lease: GatewayLease,
    private readonly log: Logger,
  ) {
    super();
  }

  listen(callback: () => void): void {
    this.stopListening();
    const subscription = this.stream.nats.subscribe(gatewaySubject(this.lease.gatewayId), {
      callback: (error, message) => {
        if (error !== null) return;
        void this.reply(message.data).then((reply) => message.respond(JSON.stringify(reply)));
      },
    });
    this.stopListening = () => {
      if (!this.stream.nats.isClosed()) subscription.unsubscribe();
    };
    callback();
  }

  close(): void {
    this.stopListening();
  }

  /** Nest's interface to events and internals of a transport, of which this one has none to offer. */
  on(): void {}

  unwrap<T>(): T {
    return this.stream.nats as T;
  }

  private async reply(payload: Uint8Array): Promise<GatewayReply> {
    try {
      const call = JSON.parse(Buffer.from(payload).toString('utf8')) as GatewayCall;
      const { operation } = call.request;
      const handler = this.getHandlerByPattern(operation);
      if (handler === null) {
        // A newer node may ask for what this gateway does not know.
        throw new ProtocolError('NOT_IMPLEMENTED', `${operation as string} is not known to this gateway`);
      }
      return (await firstValueFrom(this.transformToObservable(await handler(call)))) as GatewayReply;
    } catch (error) {
      if (error instanceof ProtocolError) return { error: { code: error.code, message: error.message } };
      this.log.error({ err: error }, 'a request from another node could not be answered');
      return { error: { code: 'INTERNAL_ERROR', message: 'an internal error occurred' } };
    }
  }
}
