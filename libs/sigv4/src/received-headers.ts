/**
 * The headers of a request by lower-case name, and the names that came more than once. Node's own view of them joins
 * some repetitions and drops others silently; of what is signed, no two readings may exist.
 */
export interface ReceivedHeaders {
  readonly values: Readonly<Record<string, string>>;
  readonly repeated: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders` has them */
export function receivedHeaders(rawHeaders: readonly string[]): ReceivedHeaders {
  // No prototype: `__proto__` is a legal header name.
  const values = Object.create(null) as Record<string, string>;
  let repeated: Set<string> | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (name in values) (repeated ??= new Set()).add(name);
    values[name] = rawHeaders[at + 1] ?? '';
  }
  return { values, repeated: repeated ?? NONE };
}
