import { OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import { ClientSocket } from '../frames/client-socket';
import type { Opening } from '../connection/connection';
import { Connections } from '../connection/connections';

/**
 * Where clients enter the application, whatever transport they use. Their frames go straight from the transport to the
 * connection: Nest's `@SubscribeMessage` picks handlers by a member of the message and runs each through promises, which
 * costs more than most frames do and would tear the frames of a connection out of their order.
 */
@WebSocketGateway()
export class ClientGateway implements OnGatewayConnection<ClientSocket> {
  constructor(private readonly connections: Connections) {}

  /** @param opening what the handshake found out */
  handleConnection(socket: ClientSocket, opening: Opening): void {
    this.connections.open(socket, opening);
  }
}
