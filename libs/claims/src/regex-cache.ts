import { RE2Set } from 're2js';
import { regexInstructions } from './regex-size';

/**
 * Compiled `#regex:` patterns, shared by all tokens: the same claim sets come back with every connect.
 *
 * Claims keep only the text of a pattern; programs live here and nowhere else, so their memory has one bound however
 * many connections are open. A pattern that was evicted is compiled again when it is next asked for, which is rare
 * because decisions are remembered per connection.
 */

/**
 * Sum of the instructions of all cached programs, each counted with `PROGRAM_OVERHEAD`. An instruction takes about
 * 450 bytes, so this is about 45 MB, and at most 1,000 programs.
 */
const MAX_CACHED_INSTRUCTIONS = 100_000;
const PROGRAM_OVERHEAD = 100;

/**
 * Memory of one program's lazily built automaton. Clients choose the names that make it grow: at the library's default
 * of 8 MiB a thousand programs could take 8 GB. Past the bound the engine starts over or falls back to its slower,
 * still linear, simulation.
 */
const MAX_AUTOMATON_BYTES = 65_536;

/** About 30 ms. */
const WARM_UP_NAMES = 1_000;

interface CachedRegex {
  readonly set: RE2Set;
  readonly cost: number;
}

export class RegexCache {
  /** Oldest use first. */
  private readonly programs = new Map<string, CachedRegex>();
  private cached = 0;

  constructor(private readonly maxInstructions = MAX_CACHED_INSTRUCTIONS) {}

  get size(): number {
    return this.programs.size;
  }

  /** Compiles the pattern unless it is cached. Throws re2js' exception when it is not valid RE2 syntax. */
  prepare(pattern: string): void {
    this.program(pattern);
  }

  /** Whether the pattern is found anywhere in the name (tokens-and-claims §4.1: unanchored). */
  matches(pattern: string, name: string): boolean {
    return this.program(pattern).match(name).length > 0;
  }

  private program(pattern: string): RE2Set {
    const known = this.programs.get(pattern);
    if (known !== undefined) {
      this.programs.delete(pattern);
      this.programs.set(pattern, known);
      return known.set;
    }
    // A set of one pattern: unlike a plain RE2JS object it lets us bound the automaton's memory.
    const set = new RE2Set(RE2Set.UNANCHORED, 0, MAX_AUTOMATON_BYTES);
    set.add(pattern);
    set.compile();
    this.remember(pattern, { set, cost: regexInstructions(pattern) + PROGRAM_OVERHEAD });
    return set;
  }

  private remember(pattern: string, program: CachedRegex): void {
    this.programs.set(pattern, program);
    this.cached += program.cost;
    for (const [oldest, { cost }] of this.programs) {
      if (this.cached <= this.maxInstructions) return;
      this.programs.delete(oldest);
      this.cached -= cost;
    }
  }
}

/** The cache of this process. */
export const regexCache = new RegexCache();

/** Has the engine compiled by the JavaScript engine before the first token is measured: it is ten times slower until then. */
export function warmUpPatterns(): void {
  const cache = new RegexCache();
  for (const pattern of ['^user\\.[0-9]+$', '(?i)^[\\p{L}._-]{1,20}$', '[ab]*a[ab]{20}$']) {
    for (let n = 0; n < WARM_UP_NAMES; n++) cache.matches(pattern, `abaabababbaaba.${n}.user.${n}`);
  }
}
