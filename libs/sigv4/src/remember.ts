const MAX_KEPT = 256;
/** What is longer is not what backends send again and again. */
const MAX_CHARACTERS = 1_024;

/**
 * A pure function that keeps its last results: a backend sends the same path, key and header names with every request,
 * and nothing but the signature changes. What is thrown is not kept.
 */
export function remember<T extends object | string | number>(compute: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const kept = known.get(text);
    if (kept !== undefined) return kept;
    const value = compute(text);
    if (text.length > MAX_CHARACTERS) return value;
    // Starting anew is cheaper than knowing which one was used least, and happens to those who invent requests.
    if (known.size >= MAX_KEPT) known.clear();
    known.set(text, value);
    return value;
  };
}
