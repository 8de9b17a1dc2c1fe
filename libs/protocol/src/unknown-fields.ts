import { ProtocolError } from './errors';

/**
 * Members that a document has and nobody knows: most often a known one, misspelt. What is said about them costs next to
 * nothing, whatever they are called and however many there are.
 */

/** Of a name that may be 256 KiB long, so much is compared and shown. */
const SHOWN_CHARACTERS = 64;
/** Names that one answer tells; the rest is counted. */
const TOLD_FIELDS = 3;

/** What becomes of unknown members of a message document (`HEARTH_UNKNOWN_FIELDS`). */
export type UnknownFields = 'warn' | 'refuse';

/** An unknown member of the document at `index` of a batch. */
export interface UnknownField {
  readonly name: string;
  readonly index?: number;
}

/**
 * The names of an object's members that are not known; `undefined` when there are none, which is what nearly every
 * document is asked for. A member whose value is `null` counts as absent (publish-api §3).
 */
export function unknownNames(object: object, known: ReadonlySet<string>): readonly string[] | undefined {
  let names: string[] | undefined;
  for (const name in object) {
    if (!known.has(name) && (object as Record<string, unknown>)[name] !== null) (names ??= []).push(name);
  }
  return names;
}

/** `UNKNOWN_FIELD` for one name: which it is, and what may have been meant. */
export function unknownFieldError(name: string, known: Iterable<string>, index?: number): ProtocolError {
  const names = [...known];
  const nearest = nearestName(name, names);
  const allowed = names.length === 0 ? 'there are none here' : `known here: ${names.join(', ')}`;
  const advice = nearest === undefined ? allowed : `did you mean ${nearest}?`;
  return new ProtocolError('UNKNOWN_FIELD', `${shown(name)} is not known; ${advice}`, { index });
}

/**
 * The value of `Hearth-Warning` (publish-api §3.2): a list of RFC 9651, one item for each of the first names.
 *
 * @param fields one at least
 */
export function unknownFieldsWarning(fields: readonly UnknownField[], known: ReadonlySet<string>): string {
  const items = fields.slice(0, TOLD_FIELDS).map(({ name, index }) => {
    const nearest = nearestName(name, known);
    const hint = nearest === undefined ? '' : `;nearest=${quoted(nearest)}`;
    return `unknown-field;name=${quoted(name)}${hint}${index === undefined ? '' : `;index=${index}`}`;
  });
  const more = fields.length - items.length;
  return [...items, ...(more > 0 ? [`unknown-field;more=${more}`] : [])].join(', ');
}

/**
 * The known name that was most likely meant: spelt the same but for case, `_` and `-`, or off by no more than a third of
 * its characters (insertions, deletions, replacements, neighbours swapped); `undefined` when none is that near.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const written = plain(name.slice(0, SHOWN_CHARACTERS));
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const meant = plain(candidate);
    const most = Math.min(least - 1, Math.floor(meant.length / 3));
    // Names whose lengths differ by more need not be compared.
    if (Math.abs(meant.length - written.length) > most) continue;
    const distance = editDistance(written, meant);
    if (distance <= most) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '');
}

/** Optimal string alignment distance, in rows: O(a × b), both short here. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      let cost = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + +!isSame);
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (isSwapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}

/** A name for an error text: cut, and without what does not belong into a line. */
function shown(name: string): string {
  const cut = name.slice(0, SHOWN_CHARACTERS).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\ufffd');
  return name.length > SHOWN_CHARACTERS ? `${cut}…` : cut;
}

/** A string of RFC 9651, which is printable ASCII. */
function quoted(name: string): string {
  const cut = name.slice(0, SHOWN_CHARACTERS).toWellFormed();
  const ascii = cut.replace(/[^\x20-\x7e]/gu, (character) => encodeURIComponent(character));
  return `"${ascii.replace(/["\\]/g, '\\$&')}"`;
}
