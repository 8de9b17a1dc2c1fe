import { OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import { Connection, type Opening } from '../connection/connection';
import { ConnectionHost } from '../connection/connection-host';
import { newConnectionId } from '../connection/credentials';
import { Denials } from '../denials/denials';
import type { ClientSocket } from '../frames/client-socket';
import { GatewayLease } from '../gateway-lease';

/**
 * Where clients enter the application, whatever transport they use. Their frames go straight from the transport to the
 * connection: Nest's `@SubscribeMessage` picks handlers by a member of the message and runs each through promises, which
 * costs more than most frames do and would tear the frames of a connection out of their order.
 */
@WebSocketGateway()
export class ClientGateway implements OnGatewayConnection<ClientSocket> {
  constructor(
    private readonly host: ConnectionHost,
    private readonly lease: GatewayLease,
    private readonly denials: Denials,
  ) {}

  /**
   * Begins a connection on a socket that has passed the handshake.
   *
   * @param opening what the handshake found out
   */
  handleConnection(socket: ClientSocket, opening: Opening): void {
    const { registry } = this.host;
    // Its token may have been denied while it was being used up.
    const goodbye = this.denials.goodbyeFor(opening.claims, opening.tokenDigest);
    if (goodbye !== undefined) return socket.close(goodbye.code, goodbye.reason, goodbye.error);
    const connection = new Connection(newConnectionId(this.lease.gatewayId), socket, opening, this.host);
    socket.receiver = connection;
    registry.add(connection);
    connection.start();
    // The drain may have passed by while the handshake was under way.
    if (registry.isDraining) connection.close(1001, 'Going away');
  }
}
