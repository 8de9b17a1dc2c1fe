import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isHost } from './host-header';
import { LINE, withoutBlanksBehind } from './plain-head';

/** What whoever takes a WebSocket handshake looks at, whether Node has read it or it was a plain one. */
export type UpgradeRequest = Pick<
  IncomingMessage,
  'method' | 'url' | 'httpVersion' | 'headers' | 'rawHeaders' | 'socket'
>;

/** Path and query, without a character that anybody would read in two ways. */
const TARGET = /^GET (\/[\w.~!$&'()*+,;=:@%/-]*)(\?[\w.~!$&'()*+,;=:@%/?-]*)? HTTP\/1\.1$/;
/** As browsers write it; Firefox adds `keep-alive`. */
const CONNECTION = /^(keep-alive, ?)?upgrade$/i;
/** Real handshakes have some fifteen. */
const MOST_LINES = 64;

/**
 * Reads the head of a WebSocket handshake that says nothing unusual, as strictly as `plainHead` reads that of a `POST`. What a
 * client offers beside (`Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`) is not taken, so nobody looks at it.
 *
 * @param text one character a byte, up to and with the line break of the last line
 * @param paths that are answered
 * @returns undefined for what Node is to read
 */
export function plainUpgrade(
  text: string,
  paths: ReadonlySet<string>,
): Pick<UpgradeRequest, 'url' | 'headers'> | undefined {
  const lineEnd = text.indexOf('\r\n');
  const [, path = '', query = ''] = TARGET.exec(text.slice(0, lineEnd)) ?? [];
  if (!paths.has(path)) return undefined;
  const headers: IncomingHttpHeaders = {};
  LINE.lastIndex = lineEnd + 2;
  for (let end = lineEnd + 2, lines = 0; end < text.length; end = LINE.lastIndex) {
    const line = LINE.exec(text);
    if (line === null || ++lines > MOST_LINES) return undefined;
    const name = (line[1] as string).toLowerCase();
    switch (name) {
      case 'host':
      case 'upgrade':
      case 'connection':
      case 'sec-websocket-key':
      case 'sec-websocket-version':
      case 'origin':
      case 'user-agent':
      case 'x-forwarded-for':
        if (headers[name] !== undefined) return undefined;
        headers[name] = withoutBlanksBehind(line[2] as string);
        break;
      case 'content-length':
      case 'transfer-encoding':
      case 'expect':
      case 'trailer':
      case 'te':
      case 'http2-settings':
        return undefined;
    }
  }
  const { host, upgrade, connection = '' } = headers;
  if (host === undefined || !isHost(host)) return undefined;
  if (upgrade?.toLowerCase() !== 'websocket' || !CONNECTION.test(connection)) return undefined;
  return { url: path + query, headers };
}
