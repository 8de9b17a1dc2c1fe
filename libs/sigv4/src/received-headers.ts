import { remember } from './remember';

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
  let names = '';
  for (let at = 0; at < rawHeaders.length; at += 2) names += `\n${rawHeaders[at]}`;
  const { places, repeated } = layoutOf(names);
  return {
    get: (name) => {
      const at = places.get(name);
      return at === undefined ? undefined : rawHeaders[at + 1];
    },
    repeated,
  };
}

/** Where which header is: a client sends the same names in the same order all day. */
const layoutOf = remember((names) => {
  const places = new Map<string, number>();
  const repeated = new Set<string>();
  for (const [nth, name] of names.toLowerCase().split('\n').slice(1).entries()) {
    if (places.has(name)) repeated.add(name);
    places.set(name, 2 * nth);
  }
  return { places, repeated };
});
