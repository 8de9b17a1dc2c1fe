import {
  MAX_CHANNEL_CHARACTERS,
  MAX_DEDUPLICATION_ID_CHARACTERS,
  MAX_EVENT_CHARACTERS,
  MAX_STORAGE_KEY_CHARACTERS,
  MAX_UID_CHARACTERS,
} from './limits';

/** Prefix of the event names that the service itself gives a meaning. */
export const RESERVED_PREFIX = 'hotsock.';

/** Channels whose subscribers know of each other (channels-presence-storage §1). */
const PRESENCE_PREFIX = 'presence.';

/** Number of Unicode code points, which is what every "characters" of the protocol counts (publish-api §3.1). */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Whether a text has more characters than `max`. None has more UTF-16 units than twice its characters, so a long one need not be counted. */
function longerThan(text: string, max: number): boolean {
  return text.length > max && (text.length > max * 2 || characters(text) > max);
}

/** What a text must not have in it, and the words for it. */
type Forbidden = readonly (readonly [pattern: RegExp, words: string])[];

/* eslint-disable no-control-regex -- control characters are what these rules refuse */
const NULL_CHARACTER = [/\u0000/, 'contain the null character'] as const;
const IN_NAME: Forbidden = [
  [/[*#,\s\u0000-\u001f\u007f]/u, 'contain asterisks, number signs, commas, whitespace or control characters'],
];
/* eslint-enable no-control-regex */
const IN_EVENT: Forbidden = [[/^#/, 'start with a number sign'], [/\*/, 'contain asterisks'], NULL_CHARACTER];

/** An unpaired surrogate has no UTF-8 form: two texts with different ones would become the same. */
function textProblem(field: string, text: string, max: number, forbidden: Forbidden): string | undefined {
  if (longerThan(text, max)) return `${field} must be at most ${max} characters`;
  for (const [pattern, words] of forbidden) if (pattern.test(text)) return `${field} must not ${words}`;
  return text.isWellFormed() ? undefined : `${field} must not contain unpaired surrogates`;
}

/** Why a string cannot be a channel name, or `undefined` when it can (publish-api §3.1). */
export function channelNameProblem(name: string): string | undefined {
  if (name === '') return 'channel must not be empty';
  // Every HTTP client takes them out of a path, so that a request would be about another channel.
  if (name === '.' || name === '..') return 'channel must not be . or ..';
  return textProblem('channel', name, MAX_CHANNEL_CHARACTERS, IN_NAME);
}

/** Why a string cannot be an event name, or `undefined` when it can; reserved names are not judged here. */
export function eventNameProblem(name: string): string | undefined {
  return name === '' ? 'event must not be empty' : textProblem('event', name, MAX_EVENT_CHARACTERS, IN_EVENT);
}

/** Why a string cannot be a storage key, or `undefined` when it can (publish-api §3.1). */
export function storageKeyProblem(key: string): string | undefined {
  return key === '' ? 'key must not be blank' : textProblem('key', key, MAX_STORAGE_KEY_CHARACTERS, IN_NAME);
}

/** Why a non-empty string cannot be a deduplication id, or `undefined` when it can. */
export function deduplicationIdProblem(id: string): string | undefined {
  return textProblem('deduplicationId', id, MAX_DEDUPLICATION_ID_CHARACTERS, [NULL_CHARACTER]);
}

/** Why a non-empty string cannot be a `uid`, or `undefined` when it can (tokens-and-claims §3). */
export function uidProblem(uid: string, field = 'uid'): string | undefined {
  return textProblem(field, uid, MAX_UID_CHARACTERS, [NULL_CHARACTER]);
}

/** Whether the channel is a presence channel; decided by its real name only. */
export function isPresenceChannel(channel: string): boolean {
  return channel.startsWith(PRESENCE_PREFIX);
}
