import { isUtf8 } from 'node:buffer';

/**
 * The headers of a request by lower-case name, and the names that came more than once. Node's own view of them joins
 * some repetitions and drops others silently; of what is signed, no two readings may exist.
 */
export interface ReceivedHeaders {
  /** The value of a header that came once; of one that is `repeated`, any of its values. */
  get(name: string): string | undefined;
  readonly repeated: ReadonlySet<string>;
}

/** @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders` has them */
export function receivedHeaders(rawHeaders: readonly string[]): ReceivedHeaders {
  const values = new Map<string, string>();
  const repeated = new Set<string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = String(rawHeaders[at]).toLowerCase();
    if (values.has(name)) repeated.add(name);
    values.set(name, textOf(String(rawHeaders[at + 1])));
  }
  return { get: (name) => values.get(name), repeated };
}

/** What Node reads as one character a byte, clients write in UTF-8 or, some, in ISO 8859-1: they sign the text. */
function textOf(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return bytes.length === Buffer.byteLength(value) || !isUtf8(bytes) ? value : bytes.toString('utf8');
}
