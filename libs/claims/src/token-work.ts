import { ClaimPath, refuse } from './claim-values';

/** Longest that a token may keep the process busy (limits §6). */
const MAX_CPU_MS = 20;
/**
 * Work that is not measured: some 20 ms at the most, if every step is as slow as one can be, and a hundredth of that as a
 * rule. So a process that is slow for another reason refuses no token that anybody would write.
 */
const UNSUSPICIOUS = 300_000;
/**
 * Before so much of it the clock is not looked at: reading the CPU time of a process of many threads takes as long as checking
 * the rest of a token.
 */
const UNCLOCKED = UNSUSPICIOUS / 10;
/** Compiling an instruction takes as long as running it over so many characters. */
const COMPILED_AS_CHARACTERS = 200;

/**
 * What the regular expressions of one token cost while it is checked. How long a pattern takes cannot be told from its size
 * alone: most run as an automaton that takes a nanosecond a character, some a thousand times that. So what could take long is
 * measured.
 */
export class TokenWork {
  private startMs: number | undefined;
  private done = 0;

  /** @param cpuMs a clock, of the process's CPU time if there is one */
  constructor(private readonly cpuMs: () => number) {}

  /** @throws TokenError when the token has taken too long */
  compiled(instructions: number): void {
    this.add(instructions * COMPILED_AS_CHARACTERS);
  }

  /** @throws TokenError when the token has taken too long */
  matched(instructions: number, name: string): void {
    this.add(instructions * (name.length + 1));
  }

  private add(work: number): void {
    this.done += work;
    if (this.done <= UNCLOCKED) return;
    this.startMs ??= this.cpuMs();
    if (this.done <= UNSUSPICIOUS || this.cpuMs() - this.startMs <= MAX_CPU_MS) return;
    refuse(ClaimPath.root.member('channels'), `has regular expressions that take longer than ${MAX_CPU_MS} ms`);
  }
}
