import type { ChannelEntry } from './channel-claims';
import type { Claims } from './claims';
import type { EntryTable } from './entry-table';
import type { TokenWork } from './token-work';

/** Resolution of one directive from all entries that match (tokens-and-claims §5.1, §5.2). */

/** A matching entry and how specific its keys are: 0 is the most specific rank. */
export interface Match<T> {
  readonly entry: T;
  readonly rank: number;
}

/** Entries of one token for a channel: rank 0 under its exact key, 1 under a pattern. */
export function matchingChannels(claims: Claims, channel: string): readonly Match<ChannelEntry>[] {
  return claims.matched.get(channel) ?? matchingEntries(claims.channels, channel, 0, 1);
}

/**
 * Entries of one token for an event or a storage key. An exact inner key outranks an exact channel key: exact/exact 0,
 * exact key under a pattern channel 1, pattern key under the exact channel 2, patterns 3.
 */
export function matchingInner<T>(
  channels: readonly Match<ChannelEntry>[],
  table: (channel: ChannelEntry) => EntryTable<T>,
  name: string,
): readonly Match<T>[] {
  return channels.flatMap(({ entry, rank }) => matchingEntries(table(entry), name, rank, rank + 2));
}

/** @param work measures what the patterns cost, while their token is checked */
export function matchingEntries<T>(
  table: EntryTable<T>,
  name: string,
  exactRank: number,
  patternRank: number,
  work?: TokenWork,
): Match<T>[] {
  const exact = table.exact.get(name);
  // What is pushed to an empty list gets room for sixteen more, and a connection keeps what it matches.
  let matches: Match<T>[] | undefined = exact === undefined ? undefined : [{ entry: exact, rank: exactRank }];
  for (const pattern of table.patterns) {
    work?.matched(pattern.instructions, name);
    if (!pattern.matches(name)) continue;
    const match = { entry: pattern.entry, rank: patternRank };
    if (matches === undefined) matches = [match];
    else matches.push(match);
  }
  return matches ?? [];
}

/** R(directive) of §5.1: an explicit `false` anywhere wins, then `true`, else `undefined`. */
export function resolveBoolean<T>(
  matches: readonly Match<T>[],
  read: (entry: T) => boolean | undefined,
): boolean | undefined {
  let resolved: boolean | undefined;
  for (const { entry } of matches) {
    const value = read(entry);
    if (value === false) return false;
    resolved ??= value;
  }
  return resolved;
}

/** §5.2: the value of the most specific rank that has one; within a rank the most permissive. */
export function resolveNumber<T>(
  matches: readonly Match<T>[],
  read: (entry: T) => number | undefined,
  isMorePermissive: (a: number, b: number) => boolean,
): number | undefined {
  let resolved: number | undefined;
  let resolvedRank = Infinity;
  for (const { entry, rank } of matches) {
    const value = read(entry);
    if (value === undefined || rank > resolvedRank) continue;
    if (rank < resolvedRank || resolved === undefined || isMorePermissive(value, resolved)) resolved = value;
    resolvedRank = rank;
  }
  return resolved;
}

export function isLongerStore(a: number, b: number): boolean {
  return b !== -1 && (a === -1 || a > b);
}
