/**
 * Upper bound of the instructions that an RE2 pattern compiles to, from its text alone.
 *
 * RE2 limits each repeat count (and nested products of them) to 1,000, but not their sum: 140 times `x{1000}` is 1 kB of
 * pattern and 140,000 instructions, which take 340 ms to compile. So the size is estimated before the compiler sees the
 * pattern. The estimate may be too high, never too low; text that is not a valid pattern gets any number, the parser
 * refuses it before it expands anything.
 */
export function regexInstructions(pattern: string): number {
  return new SizeScanner(pattern).scan();
}

const REPEAT = /\{(\d{1,4})(?:(,)(\d{0,4}))?\}/y;

/** Instructions beside those counted per construct: start, match, and the loop of an unanchored search. */
const FRAME_INSTRUCTIONS = 6;
/** A loop around something that may be empty. */
const LOOP_INSTRUCTIONS = 2;
const CAPTURE_INSTRUCTIONS = 2;
/** The branch, and one that does nothing for an empty side. */
const ALTERNATIVE_INSTRUCTIONS = 2;

/** A copy of a Unicode class (`\\p{L}`), which is a table of hundreds of ranges. */
const UNICODE_CLASS_INSTRUCTIONS = 10;
/** Reading one, once for all copies that a repeat makes; with all cases that a letter has, where those are ignored. */
const UNICODE_CLASS_READING = 50;
const FOLDED_CLASS_READING = 200;
/** Where cases are ignored, each character of a range is looked up; as many take as long as an instruction. */
const FOLDED_CHARACTERS = 512;
/** The last character that has another case. */
const LAST_CASED = 0x1e943;
/** A range of a class, and what its ends may be. */
const END = String.raw`(\\x\{[\da-fA-F]+\}|\\x[\da-fA-F]{2}|\\[0-7]{1,3}|\\?[^])`;
const RANGE = new RegExp(`${END}-${END}`, 'gu');

interface Group {
  /** Instructions so far. */
  total: number;
  /** Instructions of the item that a quantifier would apply to. */
  last: number;
  /** Instructions of the group itself. */
  readonly own: number;
}

class SizeScanner {
  private readonly open: Group[] = [];
  private group: Group = { total: 0, last: 0, own: 0 };
  private at = 0;
  /** What does not grow with repeats. */
  private reading = 0;
  private readonly ignoresCase: boolean;

  constructor(private readonly pattern: string) {
    this.ignoresCase = /\(\?[a-zA-Z]*i/.test(pattern);
  }

  scan(): number {
    while (this.at < this.pattern.length) this.step();
    while (this.open.length > 0) this.close();
    return this.group.total + this.reading + FRAME_INSTRUCTIONS;
  }

  private step(): void {
    switch (this.pattern.charAt(this.at)) {
      case '\\':
        return this.escape();
      case '[':
        return this.characterClass();
      case '(':
        return this.openGroup();
      case ')':
        this.at++;
        return this.close();
      case '|':
        this.at++;
        return this.item(ALTERNATIVE_INSTRUCTIONS);
      case '*':
      case '+':
      case '?':
        this.at++;
        return this.repeat(1, LOOP_INSTRUCTIONS);
      case '{':
        return this.count();
      default:
        this.at++;
        return this.item(1);
    }
  }

  private item(size: number): void {
    this.group.total += size;
    this.group.last = size;
  }

  /** The last item is replaced by this many copies of it; those that may be absent need an alternative each. */
  private repeat(copies: number, optional: number): void {
    const size = Math.max(copies, 1) * Math.max(this.group.last, 1) + optional;
    this.group.total += size - this.group.last;
    this.group.last = size;
  }

  private count(): void {
    REPEAT.lastIndex = this.at;
    const match = REPEAT.exec(this.pattern);
    if (match === null) {
      this.at++;
      return this.item(1);
    }
    this.at += match[0].length;
    const least = Number(match[1]);
    if (match[2] === undefined) return this.repeat(least, 0);
    if (match[3] === '') return this.repeat(least, LOOP_INSTRUCTIONS);
    const most = Number(match[3]);
    return this.repeat(most, Math.max(most - least, 0));
  }

  private openGroup(): void {
    this.at++;
    let own = CAPTURE_INSTRUCTIONS;
    if (this.pattern[this.at] === '?') {
      // `(?:`, `(?i:`, `(?P<name>`: skipped; `(?i)` sets flags and opens nothing.
      while (this.at < this.pattern.length && !':>)'.includes(this.pattern.charAt(this.at))) this.at++;
      const end = this.pattern[this.at++];
      if (end === ')') return this.item(0);
      if (end === ':') own = 0;
    }
    this.open.push(this.group);
    this.group = { total: 0, last: 0, own };
  }

  private close(): void {
    const outer = this.open.pop();
    if (outer === undefined) return;
    // An empty group is an instruction that does nothing.
    const size = Math.max(this.group.total, 1) + this.group.own;
    this.group = { total: outer.total + size, last: size, own: outer.own };
  }

  private escape(): void {
    const next = this.pattern[this.at + 1];
    if (next === 'Q') return this.quoted();
    this.at += 2;
    const size = next === 'p' || next === 'P' ? this.unicodeClasses(1) : 1;
    if ((next === 'p' || next === 'P' || next === 'x') && this.pattern[this.at] === '{') {
      const end = this.pattern.indexOf('}', this.at);
      this.at = end === -1 ? this.pattern.length : end + 1;
    }
    this.item(size);
  }

  private characterClass(): void {
    const end = this.endOfClass();
    const text = this.pattern.slice(this.at, end);
    const named = text.match(/\\[pP]/g)?.length ?? 0;
    if (this.ignoresCase) this.reading += Math.ceil(charactersInRanges(text) / FOLDED_CHARACTERS);
    this.at = end;
    this.item(this.unicodeClasses(named));
  }

  /** Counts the reading of so many, and gives the instructions of the one class that they make. */
  private unicodeClasses(count: number): number {
    if (count === 0) return 1;
    this.reading += count * (this.ignoresCase ? FOLDED_CLASS_READING : UNICODE_CLASS_READING);
    return count * UNICODE_CLASS_INSTRUCTIONS;
  }

  /** `\Q…\E`: every character stands for itself. */
  private quoted(): void {
    const start = this.at + 2;
    const found = this.pattern.indexOf('\\E', start);
    const end = found === -1 ? this.pattern.length : found;
    for (let i = start; i < end; i++) this.item(1);
    this.at = found === -1 ? end : end + 2;
  }

  /** Index after the class that opens here. Its first `]` is literal, and `[:name:]` has one of its own. */
  private endOfClass(): number {
    let i = this.at + 1;
    if (this.pattern[i] === '^') i++;
    if (this.pattern[i] === ']') i++;
    while (i < this.pattern.length && this.pattern[i] !== ']') {
      const named = this.pattern.startsWith('[:', i) ? this.pattern.indexOf(':]', i + 2) : -1;
      if (named !== -1) i = named + 2;
      else i += this.pattern[i] === '\\' ? 2 : 1;
    }
    return i + 1;
  }
}

function charactersInRanges(text: string): number {
  let characters = 0;
  for (const [, first = '', last = ''] of text.matchAll(RANGE)) {
    characters += Math.max(0, Math.min(codePoint(last), LAST_CASED) - codePoint(first));
  }
  return characters;
}

/** Of a character as it is written in a class. */
function codePoint(text: string): number {
  const [, hex, octal] = /^\\(?:x\{?([\da-fA-F]+)\}?|([0-7]{1,3}))$/.exec(text) ?? [];
  if (hex !== undefined) return Number.parseInt(hex, 16);
  return octal === undefined ? (text.replace(/^\\/, '').codePointAt(0) ?? 0) : Number.parseInt(octal, 8);
}
