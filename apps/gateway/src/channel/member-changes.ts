import { sameJson } from '@hearth/protocol';

/** What a presence channel's frame tells of one member (`memberFrame`). */
export interface MemberChange {
  readonly event: string;
  readonly uid: string;
  /** JSON text `{"uid","umd"}`. */
  readonly memberJson: string;
}

const EVENT = Buffer.from('{"event":"hotsock.');
const MEMBER = Buffer.from('"data":{"member":');
const MEMBERS = ',"members":';
const END = '}}';
const [QUOTE, BACKSLASH, OPEN, CLOSE] = ['"', '\\', '{', '}'].map((character) => character.charCodeAt(0));

/** Reads the beginning of a frame only: the list of all members follows, and may be long. */
export function changeOf(frame: Uint8Array): MemberChange {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const event = bytes.toString('latin1', EVENT.length, bytes.indexOf('"', EVENT.length));
  const start = bytes.indexOf(MEMBER) + MEMBER.length;
  const memberJson = bytes.toString('utf8', start, endOfObject(bytes, start));
  const { uid } = JSON.parse(memberJson) as { readonly uid: string };
  return { event, uid, memberJson };
}

/** JSON text of the list of all members. */
export function membersJsonOf(frame: Uint8Array): string {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const end = endOfObject(bytes, bytes.indexOf(MEMBER) + MEMBER.length);
  return bytes.toString('utf8', end + MEMBERS.length, bytes.length - END.length);
}

/**
 * Which of several changes of one member are told, when they are told together: the last of each kind, and none that have
 * been undone (limits §5).
 *
 * @param changes in their order
 * @returns positions, ascending; none when the member is as before
 */
export function toldOf(changes: readonly MemberChange[]): number[] {
  const [first, last] = [changes[0], changes.at(-1)];
  if (first === undefined || last === undefined) return [];
  const lastOf = (event: string, before = changes.length): number =>
    changes.findLastIndex((change, index) => change.event === event && index < before);
  const [wasThere, isThere] = [first.event !== 'memberAdded', last.event !== 'memberRemoved'];
  if (!wasThere && !isThere) return [];
  const firstRemoved = changes.findIndex(({ event }) => event === 'memberRemoved');
  if (!isThere) return [lastOf('memberUpdated', firstRemoved), changes.length - 1].filter((index) => index >= 0);
  const isBack = wasThere && firstRemoved >= 0;
  if (isBack && sameJson(changes[firstRemoved]?.memberJson ?? '', last.memberJson)) return [];
  const added = lastOf('memberAdded');
  const updated = lastOf('memberUpdated');
  const told = [isBack ? lastOf('memberRemoved') : -1, added, updated > added ? updated : -1];
  return told.filter((index) => index >= 0);
}

/**
 * Which of several changes of one member decide what is told, now or when more have come: at most seven.
 *
 * @returns positions, ascending
 */
export function decidingOf(changes: readonly MemberChange[]): number[] {
  const firstRemoved = changes.findIndex(({ event }) => event === 'memberRemoved');
  const before = changes.slice(0, Math.max(0, firstRemoved));
  const lastOf = (event: string, of = changes): number => of.findLastIndex((change) => change.event === event);
  const deciding = [0, firstRemoved, lastOf('memberUpdated', before), changes.length - 1];
  deciding.push(...['memberAdded', 'memberUpdated', 'memberRemoved'].map((event) => lastOf(event)));
  return [...new Set(deciding)].filter((index) => index >= 0).sort((a, b) => a - b);
}

/** Behind the JSON object that begins at `start`. */
function endOfObject(bytes: Buffer, start: number): number {
  let [depth, isInText] = [0, false];
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isInText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isInText = false;
    } else if (byte === QUOTE) isInText = true;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return at + 1;
  }
  return bytes.length;
}
