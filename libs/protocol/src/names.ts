import {
  MAX_CHANNEL_CHARACTERS,
  MAX_DEDUPLICATION_ID_CHARACTERS,
  MAX_EVENT_CHARACTERS,
  MAX_STORAGE_KEY_CHARACTERS,
} from './limits';

/** Prefix of the event names that the service itself gives a meaning. */
export const RESERVED_PREFIX = 'hotsock.';

/** Channels whose subscribers know of each other (channels-presence-storage §1). */
export const PRESENCE_PREFIX = 'presence.';

/** Number of Unicode code points, which is what every "characters" of the protocol counts (publish-api §3.1). */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Whether a text has more characters than `max`. None has more UTF-16 units than twice its characters, so a long one need not be counted. */
export function longerThan(text: string, max: number): boolean {
  return text.length > max && (text.length > max * 2 || characters(text) > max);
}

// eslint-disable-next-line no-control-regex -- control characters are what this rule refuses
const FORBIDDEN_IN_CHANNEL = /[*#,\s\u0000-\u001f\u007f]/u;

/**
 * Why a string cannot be a channel name, or `undefined` when it can (publish-api §3.1). A name with an unpaired
 * surrogate has no UTF-8 form: two such names would become one channel.
 */
export function channelNameProblem(name: string): string | undefined {
  if (name === '') return 'channel must not be empty';
  // Every HTTP client takes them out of a path, so that a request would be about another channel.
  if (name === '.' || name === '..') return 'channel must not be . or ..';
  if (longerThan(name, MAX_CHANNEL_CHARACTERS)) return `channel must be at most ${MAX_CHANNEL_CHARACTERS} characters`;
  if (FORBIDDEN_IN_CHANNEL.test(name)) {
    return 'channel must not contain asterisks, number signs, commas, whitespace or control characters';
  }
  if (!name.isWellFormed()) return 'channel must not contain unpaired surrogates';
  return undefined;
}

/** Why a string cannot be an event name, or `undefined` when it can; reserved names are not judged here. */
export function eventNameProblem(name: string): string | undefined {
  if (name === '') return 'event must not be empty';
  if (longerThan(name, MAX_EVENT_CHARACTERS)) return `event must be at most ${MAX_EVENT_CHARACTERS} characters`;
  if (name.startsWith('#')) return 'event must not start with a number sign';
  if (name.includes('*')) return 'event must not contain asterisks';
  if (name.includes('\u0000')) return 'event must not contain the null character';
  if (!name.isWellFormed()) return 'event must not contain unpaired surrogates';
  return undefined;
}

/** Why a string cannot be a storage key, or `undefined` when it can (publish-api §3.1). */
export function storageKeyProblem(key: string): string | undefined {
  if (key === '') return 'key must not be blank';
  if (longerThan(key, MAX_STORAGE_KEY_CHARACTERS))
    return `key must be at most ${MAX_STORAGE_KEY_CHARACTERS} characters`;
  if (FORBIDDEN_IN_CHANNEL.test(key)) {
    return 'key must not contain asterisks, number signs, commas, whitespace or control characters';
  }
  if (!key.isWellFormed()) return 'key must not contain unpaired surrogates';
  return undefined;
}

/** Why a non-empty string cannot be a deduplication id, or `undefined` when it can. */
export function deduplicationIdProblem(id: string): string | undefined {
  if (longerThan(id, MAX_DEDUPLICATION_ID_CHARACTERS)) {
    return `deduplicationId must be at most ${MAX_DEDUPLICATION_ID_CHARACTERS} characters`;
  }
  if (id.includes('\u0000')) return 'deduplicationId must not contain the null character';
  if (!id.isWellFormed()) return 'deduplicationId must not contain unpaired surrogates';
  return undefined;
}

/** Whether the channel is a presence channel; decided by its real name only. */
export function isPresenceChannel(channel: string): boolean {
  return channel.startsWith(PRESENCE_PREFIX);
}
