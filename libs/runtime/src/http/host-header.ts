import { ProtocolError } from '@hearth/protocol';
import type { IncomingMessage } from 'node:http';

/** A name or an address, and a port (RFC 3986 §3.2.2); it may be empty. */
const HOST = /^(\[[0-9a-f:.%\w]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i;

/** Whether a text is a name or an address, and perhaps a port. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

/**
 * Node leaves out what is more, without a word: somebody who sends enough of them before one that a proxy adds, as
 * `X-Forwarded-For`, would take it away. For `maxHeadersCount` of a server.
 */
export const MAX_HEADERS = 1_000;

/**
 * What is wrong with the head of a request: `Host` must be there once (RFC 9112 §3.2), for whoever sends none or two is
 * understood in one way here and in another by the proxy before us; and every header must have been read.
 *
 * @returns undefined when nothing is
 */
export function headProblem({
  headers,
  rawHeaders,
  httpVersion,
}: Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'httpVersion'>): ProtocolError | undefined {
  if (rawHeaders.length > 2 * MAX_HEADERS) {
    return new ProtocolError('PAYLOAD_TOO_LARGE', `There may be ${MAX_HEADERS} headers`, { status: 431 });
  }
  const { host } = headers;
  if (host === undefined) return httpVersion === '1.1' ? malformed('The Host header is missing') : undefined;
  let count = 0;
  // Of several Node shows the first.
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  if (count > 1) return malformed('There must be one Host header');
  return isHost(host) ? undefined : malformed('The Host header is no name and port');
}

function malformed(message: string): ProtocolError {
  return new ProtocolError('MALFORMED_MESSAGE', message);
}
