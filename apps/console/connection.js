import { parseJson } from './json.js';

/**
 * @typedef {'idle' | 'connecting' | 'connected' | 'suspended' | 'closed'} State
 * @typedef {{ connectionId: string, connectionSecret: string }} Credentials
 */

/**
 * One client's connection, over as many sockets as it takes. What happens is told by events: `state`, `sent` and
 * `received` (`detail`: the text), `closed` (`detail`: `{ code, reason, isRefusal }`).
 */
export class Connection extends EventTarget {
  /** @type {State} */
  state = 'idle';
  /** For the client HTTP API; they end with the socket. @type {Credentials | undefined} */
  credentials;
  #socket;
  #url;

  /** Opens a socket; one that is open is given up. */
  open(url, token) {
    this.#url = new URL(url);
    this.#url.searchParams.set('token', token);
    this.#url.searchParams.set('closeReason', '1');
    this.#connect();
  }

  /** Closes the socket and stays ready to go on with the same token. */
  suspend() {
    this.#leave('suspended');
  }

  resume() {
    this.#connect();
  }

  /** Closes the socket for good and forgets the token. */
  terminate() {
    this.#url = undefined;
    this.#leave('closed');
  }

  /** @param {string} text a frame */
  send(text) {
    this.#socket.send(text);
    this.#tell('sent', text);
  }

  #connect() {
    this.#leave('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      if (socket === this.#socket) this.#lose(code, reason);
    });
  }

  #receive(text) {
    // The first frame is always hotsock.connected (websocket-protocol §2).
    const isFirst = this.state === 'connecting';
    if (isFirst) this.credentials = parseJson(text)?.data;
    this.#tell('received', text);
    if (isFirst) this.#enter('connected');
  }

  #lose(code, reason) {
    const isRefusal = this.state === 'connecting';
    this.#leave('closed', { code, reason, isRefusal });
  }

  /** Parts with the socket, if there is one: whatever it still says belongs to nobody. */
  #leave(state, closing = { code: 1000, reason: '', isRefusal: false }) {
    const socket = this.#socket;
    this.#socket = undefined;
    this.credentials = undefined;
    socket?.close(1000);
    this.#enter(state);
    if (socket !== undefined) this.#tell('closed', closing);
  }

  /** @param {State} state */
  #enter(state) {
    this.state = state;
    this.#tell('state', state);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
