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
/** And then it is looked at after so much more, a millisecond at the most. */
const LOOK_EVERY = 10_000;
/** What a wildcard takes for a name. */
const WILDCARD = 4;
/** What an entry of `channels`, `messages` or `storage` takes. */
const ENTRY = 80;
/** Compiling an instruction takes as long as running it over so many characters. */
const COMPILED_AS_CHARACTERS = 200;

/** Wants to know for how long a token keeps the process busy, while it is checked or later: 40 ms for each new name at worst. */
export interface WorkWatch {
  worked(ms: number): void;
}

/**
 * What the patterns of one token cost while it is checked. How long a pattern takes cannot be told from its size
 * alone: most run as an automaton that takes a nanosecond a character, some a thousand times that. So what could take long is
 * measured.
 */
export class TokenWork {
  private readonly begunMs = performance.now();
  private startMs: number | undefined;
  private done = 0;
  private nextLook = UNCLOCKED;

  /** @param cpuMs a clock, of the process's CPU time if there is one */
  constructor(private readonly cpuMs: () => number) {}

  /** @throws TokenError when the token has taken too long */
  read(): void {
    this.add(ENTRY);
  }

  /** @throws TokenError when the token has taken too long */
  compiled(instructions: number): void {
    this.add(instructions * COMPILED_AS_CHARACTERS);
  }

  /**
   * @param instructions of a regular expression; `undefined`: a wildcard
   * @throws TokenError when the token has taken too long
   */
  matched(instructions: number | undefined, name: string): void {
    this.add(instructions === undefined ? WILDCARD : instructions * (name.length + 1));
  }

  private add(work: number): void {
    this.done += work;
    if (this.done < this.nextLook) return;
    this.nextLook = Math.max(this.done + LOOK_EVERY, UNSUSPICIOUS);
    this.startMs ??= this.cpuMs() - (performance.now() - this.begunMs);
    if (this.done <= UNSUSPICIOUS || this.cpuMs() - this.startMs <= MAX_CPU_MS) return;
    refuse(ClaimPath.root.member('channels'), `takes longer than ${MAX_CPU_MS} ms to read, or its patterns do`);
  }
}
