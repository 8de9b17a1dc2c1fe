import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketAdapter } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import type { HearthConfig } from '@hearth/config';
import type { Backlogs } from '@hearth/runtime';
import { ClientSocket } from '../frames/client-socket';
import type { Opening } from '../connection/connection';
import { Handshake } from './handshake';
import { SocketIoTransport } from './socket-io';
import { WebSocketTransport } from './websocket';

type ConnectCallback = (socket: ClientSocket, opening: Opening) => void;

const NOTHING = Buffer.alloc(0);

/** Both transports on the application's one HTTP server. */
interface RealtimeServer {
  onConnect: ConnectCallback;
  /** Resolves when the HTTP server may close. */
  close(): Promise<void>;
}

export type RealtimeConfig = Pick<HearthConfig, 'wsPaths' | 'wsMaxMessageBytes' | 'wsPingSeconds' | 'wsOrigins'>;

/**
 * Connects Nest's gateways with our transports. The stock adapters drop messages they do not know, lose the member
 * `channel`, and cut every socket when the application closes.
 */
export class RealtimeAdapter implements WebSocketAdapter<RealtimeServer, ClientSocket, object> {
  constructor(
    private readonly http: HttpServer,
    private readonly plain: Pick<FastifyInstance['plainPosts'], 'takeUpgrades'>,
    private readonly config: RealtimeConfig,
    private readonly handshake: Handshake,
    private readonly backlogs: Backlogs,
    /** Aborted when clients have had their time to leave. */
    private readonly timeUp: AbortSignal,
  ) {}

  create(): RealtimeServer {
    const { config, handshake, backlogs } = this;
    const connected: ConnectCallback = (socket, opening) => server.onConnect(socket, opening);
    const native = new WebSocketTransport(
      { paths: config.wsPaths, maxMessageBytes: config.wsMaxMessageBytes },
      handshake,
      backlogs,
      connected,
    );
    const socketIo = new SocketIoTransport(
      {
        maxMessageBytes: config.wsMaxMessageBytes,
        pingMs: config.wsPingSeconds === 0 ? Infinity : config.wsPingSeconds * 1_000,
        origins: config.wsOrigins,
      },
      handshake,
      backlogs,
      connected,
    );
    const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      if (!SocketIoTransport.handles(request.url ?? '')) void native.upgrade(request, socket, head);
    };
    const server: RealtimeServer = {
      onConnect: (socket) => socket.terminate(),
      close: async () => {
        await socketIo.close(this.timeUp);
        this.http.off('upgrade', upgrade);
      },
    };
    this.plain.takeUpgrades(config.wsPaths, (request) => void native.upgrade(request, request.socket, NOTHING));
    socketIo.attach(this.http);
    this.http.on('upgrade', upgrade);
    return server;
  }

  bindClientConnect(server: RealtimeServer, callback: ConnectCallback): void {
    server.onConnect = callback;
  }

  /** Frames go straight to the connection (`ClientGateway`). */
  bindMessageHandlers(): void {}

  close(server: RealtimeServer): Promise<void> {
    return server.close();
  }

  /** Nest calls it after `close`. */
  dispose(): void {}
}
