/**
 * Matcher of a key with asterisks (tokens-and-claims §4.1): each `*` stands for zero or more characters, the whole name
 * must match, case counts.
 *
 * The literal pieces between asterisks are searched once each, leftmost first, never from before the piece found last:
 * an earlier occurrence leaves more room for the rest, so there is nothing to go back to. A regular expression with
 * backtracking would take exponential time for `*a*a*a*a*b`.
 */
export function wildcardMatcher(pattern: string): (name: string) => boolean {
  const pieces = pattern.split('*');
  const prefix = pieces[0] ?? '';
  const suffix = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  return (name) => {
    const end = name.length - suffix.length;
    if (end < prefix.length || !name.startsWith(prefix) || !name.endsWith(suffix)) return false;
    let from = prefix.length;
    for (const piece of middle) {
      const found = name.indexOf(piece, from);
      if (found === -1) return false;
      from = found + piece.length;
    }
    return from <= end;
  };
}
