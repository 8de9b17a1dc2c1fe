import type { IncomingHttpHeaders } from 'node:http';
import { isHost } from './host-header';

/** The head of a request that says nothing unusual. */
export interface PlainHead {
  /** Those that whoever answers looks at, as Node would give them. */
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the body. */
  readonly bodyBytes: number;
}

/**
 * A header line: a token, a colon, and text without control characters (RFC 9110 §5.5). Only one part of it may take the
 * blanks before the text: with two, a line of blanks that ends wrongly would be tried in as many ways as it has pairs of them.
 */
export const LINE = /([!#$%&'*+.^_`|~\w-]+):[ \t]*((?:[!-~\x80-\xff][\t -~\x80-\xff]*)?)\r\n/y;

/** Seven digits are more than any body that is read here. */
const LENGTH = /^\d{1,7}$/;

/**
 * Reads header lines as strictly as can be. Whatever is unusual, allowed or not, is for Node's parser: what could be
 * understood in two ways must be understood in one.
 *
 * @param lines one character a byte: from behind the request line up to and with the line break of the last line
 * @returns undefined for what Node is to read
 */
export function plainHead(lines: string): PlainHead | undefined {
  const headers: IncomingHttpHeaders = {};
  let host: string | undefined;
  let length: string | undefined;
  LINE.lastIndex = 0;
  for (let end = 0; end < lines.length; end = LINE.lastIndex) {
    const line = LINE.exec(lines);
    if (line === null) return undefined;
    const name = (line[1] as string).toLowerCase();
    const value = line[2] as string;
    switch (name) {
      case 'host':
        if (host !== undefined || !isHost(value)) return undefined;
        host = value;
        break;
      case 'content-length':
        if (length !== undefined || !LENGTH.test(value)) return undefined;
        length = value;
        break;
      case 'authorization':
      case 'authentication':
      case 'user-agent':
      case 'x-forwarded-for':
        // Node joins some, and of others takes the first.
        if (headers[name] !== undefined) return undefined;
        headers[name] = withoutBlanksBehind(value);
        break;
      case 'connection':
        if (value !== 'keep-alive' && value.toLowerCase() !== 'keep-alive') return undefined;
        break;
      case 'transfer-encoding':
      case 'content-encoding':
      case 'expect':
      case 'upgrade':
      case 'trailer':
      case 'te':
      case 'http2-settings':
        return undefined;
    }
  }
  if (host === undefined || length === undefined) return undefined;
  return { headers, bodyBytes: Number(length) };
}

/** Of a header's value. */
export function withoutBlanksBehind(value: string): string {
  let end = value.length;
  while (value[end - 1] === ' ' || value[end - 1] === '\t') end--;
  return end === value.length ? value : value.slice(0, end);
}
