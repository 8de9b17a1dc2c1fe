import { DialectName } from './job';

/** What a client does about a text frame that is not a benchmark message. */
export interface Reaction {
  /** Text frame to answer with. */
  readonly send?: string;
  /** The connection is subscribed from here on. */
  readonly ready?: boolean;
  readonly error?: string;
  /** Query string that authorises this connection's calls of the client HTTP API. */
  readonly credentials?: string;
}

/** How the clients of one kind of server connect and subscribe. */
export interface Dialect {
  /** Path and query of the WebSocket handshake. */
  path(token: string): string;
  react(text: string, token: string): Reaction;
}

interface HotsockFrame {
  readonly event: string;
  readonly data?: { readonly connectionId?: string; readonly connectionSecret?: string };
}

/** The token says which channel to subscribe to; the server confirms it (websocket-protocol §2). */
const hearth: Dialect = {
  path: (token) => `/?token=${token}`,
  react(text) {
    const { event, data } = JSON.parse(text) as HotsockFrame;
    if (event === 'hotsock.subscribed') return { ready: true };
    if (event === 'hotsock.error') return { error: text };
    if (event !== 'hotsock.connected') return {};
    const id = encodeURIComponent(data?.connectionId ?? '');
    return { credentials: `connectionId=${id}&connectionSecret=${data?.connectionSecret ?? ''}` };
  },
};

const plainWs: Dialect = {
  path: (token) => `/?token=${token}`,
  react: (text) => (text.startsWith('{"subscribed"') ? { ready: true } : { error: text }),
};

/** Engine.IO 4 over WebSocket only: `0` open, `2` ping, `40` connect, `42` event, `44` refused. */
const socketIo: Dialect = {
  path: () => '/socket.io/?EIO=4&transport=websocket',
  react(text, token) {
    if (text.startsWith('0')) return { send: `40${JSON.stringify({ token })}` };
    if (text === '2') return { send: '3' };
    if (text.startsWith('42["subscribed"')) return { ready: true };
    if (text.startsWith('44')) return { error: text };
    return {};
  },
};

const DIALECTS: Readonly<Record<DialectName, Dialect>> = { hearth, 'plain-ws': plainWs, 'socket-io': socketIo };

export function dialectOf(name: DialectName): Dialect {
  return DIALECTS[name];
}
