import type { IncomingMessage } from 'node:http';

/** A name or an address, and a port (RFC 3986 §3.2.2); it may be empty. */
const HOST = /^(\[[0-9a-f:.%\w]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i;

/** Whether a text is a name or an address, and perhaps a port. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

/**
 * What is wrong with the `Host` of a request, which must then be answered 400 (RFC 9112 §3.2): whoever sends none or two is
 * understood in one way here and in another by the proxy before us.
 *
 * @returns undefined when nothing is
 */
export function hostProblem({ headers, rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  const { host } = headers;
  if (host === undefined) return httpVersion === '1.1' ? 'The Host header is missing' : undefined;
  let count = 0;
  // Of several Node shows the first.
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  if (count > 1) return 'There must be one Host header';
  return isHost(host) ? undefined : 'The Host header is no name and port';
}
