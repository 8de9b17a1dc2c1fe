import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Frame } from '../support/ws-client';

export type Transport = 'websocket' | 'socket.io';

/** What a client of either transport needs of its connection. */
export interface ClientSocket {
  /** Dropped when it is not open. */
  send(frame: { readonly event: string }): void;
  /** Breaks it, as a network that is lost. */
  terminate(): void;
  /** Reads nothing any more until `resumeReading`; WebSocket only. */
  pauseReading(): void;
  resumeReading(): void;
}

export interface ClientSocketEvents {
  readonly onFrame: (frame: Frame) => void;
  /** Once, whether it had been open or not. @param code of WebSocket; 1006 for Socket.IO, which has none */
  readonly onClose: (code: number, reason: string) => void;
}

/** A gateway that stands still must not keep a client from the other one for ever. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Opens a connection to a gateway. @param url `ws://host:port/v1` */
export function openSocket(transport: Transport, url: string, token: string, events: ClientSocketEvents): ClientSocket {
  return transport === 'websocket' ? openWebSocket(url, token, events) : openSocketIo(url, token, events);
}

function openWebSocket(url: string, token: string, { onFrame, onClose }: ClientSocketEvents): ClientSocket {
  const socket = new WebSocket(`${url}?token=${token}`, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  socket.on('message', (data) => onFrame(JSON.parse((data as Buffer).toString('utf8'))));
  // The close that follows is what counts.
  socket.on('error', () => undefined);
  socket.on('close', (code, reason) => onClose(code, reason.toString('utf8')));
  return {
    send: (frame) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
    },
    terminate: () => socket.terminate(),
    pauseReading: () => {
      if (socket.readyState === WebSocket.OPEN) socket.pause();
    },
    resumeReading: () => {
      if (socket.readyState === WebSocket.OPEN) socket.resume();
    },
  };
}

function openSocketIo(url: string, token: string, { onFrame, onClose }: ClientSocketEvents): ClientSocket {
  const { host } = new URL(url);
  const socket = io(`http://${host}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    timeout: HANDSHAKE_TIMEOUT_MS,
    auth: { token },
  });
  let isClosed = false;
  const close = (reason: string): void => {
    if (isClosed) return;
    isClosed = true;
    onClose(1006, reason);
  };
  socket.onAny((_event: string, frame: Frame) => {
    if (!isClosed) onFrame(frame);
  });
  socket.on('disconnect', close);
  socket.on('connect_error', (error) => {
    socket.disconnect();
    close(error.message);
  });
  return {
    send: ({ event, ...rest }) => {
      if (socket.connected) socket.emit(event, rest);
    },
    terminate: () => {
      socket.io.engine?.close();
      socket.disconnect();
      close('terminated');
    },
    pauseReading: () => undefined,
    resumeReading: () => undefined,
  };
}
