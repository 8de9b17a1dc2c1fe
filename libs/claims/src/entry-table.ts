import { RE2JSException } from 're2js';
import { type ClaimPath, isObject, type JsonObject, objectClaim, refuse } from './claim-values';
import { regexCache } from './regex-cache';
import { regexInstructions } from './regex-size';
import type { TokenWork } from './token-work';
import { wildcardMatcher } from './wildcard';

/** One pattern key with its directives. */
export interface PatternEntry<T> {
  readonly matches: (name: string) => boolean;
  /** Instructions of a regular expression; `undefined` for a wildcard, which costs next to nothing. */
  readonly instructions: number | undefined;
  readonly entry: T;
}

/** Keys of `channels`, `messages` or `storage`: exact names by lookup, patterns one by one. */
export interface EntryTable<T> {
  readonly exact: ReadonlyMap<string, T>;
  readonly patterns: readonly PatternEntry<T>[];
}

const REGEX_PREFIX = '#regex:';

/** Longest pattern key, in UTF-16 units: four times the longest name, so that each character may be escaped. */
const MAX_PATTERN_LENGTH = 1_024;
/** Regular expressions in one token. */
const MAX_REGEXES = 256;
/**
 * Compiled size of one regular expression and of all in one token. An instruction costs at most 10 µs to compile and
 * 10 µs to run over the longest name, so the worst token takes some 40 ms for each new name that is matched; what it costs
 * while it is checked is measured (`TokenWork`), and later by its connection (`WorkWatch`). Real patterns have 10 to 50 instructions and take a thousandth of that.
 */
const MAX_REGEX_INSTRUCTIONS = 1_024;
const MAX_TOKEN_INSTRUCTIONS = 4_096;

/** What is left of the limits on regular expressions while one token is compiled. */
export class RegexBudget {
  private regexes = MAX_REGEXES;
  private instructions = MAX_TOKEN_INSTRUCTIONS;

  constructor(readonly work: TokenWork) {}

  /** @returns the instructions of the pattern */
  spend(pattern: string, path: ClaimPath): number {
    const instructions = regexInstructions(pattern);
    if (instructions > MAX_REGEX_INSTRUCTIONS) {
      refuse(path, `compiles to more than ${MAX_REGEX_INSTRUCTIONS} instructions`);
    }
    if (--this.regexes < 0) refuse(path, `is one regular expression too many: a token may hold ${MAX_REGEXES}`);
    this.instructions -= instructions;
    if (this.instructions < 0) {
      refuse(path, `brings the regular expressions of this token to more than ${MAX_TOKEN_INSTRUCTIONS} instructions`);
    }
    this.work.compiled(instructions);
    return instructions;
  }
}

/** How the entries of one table are read. */
export interface EntryReader<T> {
  /** Why a string can never be a name looked up in this table, or `undefined`. */
  readonly nameProblem: (name: string) => string | undefined;
  readonly readEntry: (entry: JsonObject, isPattern: boolean, path: ClaimPath) => T;
  readonly budget: RegexBudget;
}

/** Of what most channels of a token say nothing about. An empty map of its own would take 220 bytes of each connection. */
const NO_ENTRIES: EntryTable<never> = { exact: new Map<string, never>(), patterns: [] };

/** Compiles the keys and entries of the claim object `name`; `null` entries are absent ones. */
export function compileEntries<T>(
  object: JsonObject,
  name: string,
  parent: ClaimPath,
  reader: EntryReader<T>,
): EntryTable<T> {
  const entries = objectClaim(object, name, parent);
  if (entries === undefined) return NO_ENTRIES;
  const path = parent.member(name);
  let exact: Map<string, T> | undefined;
  let patterns: PatternEntry<T>[] | undefined;
  for (const key of Object.keys(entries)) {
    const value = entries[key];
    if (value === null) continue;
    reader.budget.work.read();
    const entryPath = path.entry(key);
    const pattern = patternMatcher(key, entryPath, reader.budget);
    // No operation can name it, so the entry would never be looked at (tokens-and-claims §4.1).
    if (pattern === undefined && reader.nameProblem(key) !== undefined) continue;
    if (!isObject(value)) return refuse(entryPath, 'must be an object');
    const entry = reader.readEntry(value, pattern !== undefined, entryPath);
    if (pattern === undefined) {
      (exact ??= new Map()).set(key, entry);
      continue;
    }
    const { matches, instructions } = pattern;
    // What is pushed to an empty list gets room for sixteen more.
    if (patterns === undefined) patterns = [{ matches, instructions, entry }];
    else patterns.push({ matches, instructions, entry });
  }
  return { exact: exact ?? NO_ENTRIES.exact, patterns: patterns ?? NO_ENTRIES.patterns };
}

type Matcher = Pick<PatternEntry<unknown>, 'matches' | 'instructions'>;

const EVERYTHING: Matcher = { matches: () => true, instructions: undefined };

/** The matcher of a pattern key, `undefined` for an exact one. Refuses the token for a pattern that is not valid. */
function patternMatcher(key: string, path: ClaimPath, budget: RegexBudget): Matcher | undefined {
  const isRegex = key.startsWith(REGEX_PREFIX);
  if (!isRegex && !key.includes('*')) return undefined;
  if (key.length > MAX_PATTERN_LENGTH) refuse(path, `is a pattern longer than ${MAX_PATTERN_LENGTH} characters`);
  // Half a surrogate pair would match half a character of a name.
  if (!key.isWellFormed()) refuse(path, 'is a pattern with an unpaired surrogate');
  if (isRegex) return regexMatcher(key.slice(REGEX_PREFIX.length), path, budget);
  if (key === '*') return EVERYTHING;
  let matches: ((name: string) => boolean) | undefined;
  // Most are never asked.
  return { matches: (name) => (matches ??= wildcardMatcher(key))(name), instructions: undefined };
}

function regexMatcher(pattern: string, path: ClaimPath, budget: RegexBudget): Matcher {
  const instructions = budget.spend(pattern, path);
  try {
    regexCache.prepare(pattern);
  } catch (error) {
    if (error instanceof RE2JSException) refuse(path, 'is not a valid RE2 regular expression');
    throw error;
  }
  return { matches: (name) => regexCache.matches(pattern, name), instructions };
}
