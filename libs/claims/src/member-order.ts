const JSON_PIECE = /"(?:[^"\\]|\\.)*"|[{}[\]]|[^"{}[\]]+/gs;

/**
 * Names of the members of the object that `text` holds, in the order they are written. `JSON.parse` moves names that
 * look like array indexes to the front, so the order of channels named `42` and `7` cannot be taken from its result.
 *
 * @param text JSON that `JSON.parse` accepts as an object.
 */
export function memberNames(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let candidate: string | undefined;
  for (const [piece] of text.matchAll(JSON_PIECE)) {
    if (piece === '{' || piece === '[') depth++;
    else if (piece === '}' || piece === ']') depth--;
    else if (depth === 1 && piece.startsWith('"')) candidate = piece;
    else if (depth === 1 && candidate !== undefined && piece.trimStart().startsWith(':')) {
      names.push(JSON.parse(candidate) as string);
      candidate = undefined;
    }
  }
  return names;
}
