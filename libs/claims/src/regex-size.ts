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

interface Group {
  /** Instructions so far. */
  total: number;
  /** Instructions of the item that a quantifier would apply to. */
  last: number;
}

class SizeScanner {
  private readonly open: Group[] = [];
  private group: Group = { total: 0, last: 0 };
  private at = 0;

  constructor(private readonly pattern: string) {}

  scan(): number {
    while (this.at < this.pattern.length) this.step();
    while (this.open.length > 0) this.close();
    return this.group.total + FRAME_INSTRUCTIONS;
  }

  private step(): void {
    switch (this.pattern.charAt(this.at)) {
      case '\\':
        return this.escape();
      case '[':
        this.at = this.endOfClass();
        return this.item(1);
      case '(':
        return this.openGroup();
      case ')':
        this.at++;
        return this.close();
      case '|':
        this.at++;
        return this.item(1);
      case '*':
      case '+':
      case '?':
        this.at++;
        return this.repeat(1);
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

  /** The last item is repeated: each copy may need an alternative beside it, the last one a loop. */
  private repeat(copies: number): void {
    const size = copies * (this.group.last + 1) + 2;
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
    const most = match[2] === undefined ? least : match[3] === '' ? least + 1 : Number(match[3]);
    this.repeat(Math.max(least, most, 1));
  }

  private openGroup(): void {
    this.at++;
    if (this.pattern[this.at] === '?') {
      // `(?:`, `(?i:`, `(?P<name>`: skipped; `(?i)` sets flags and opens nothing.
      while (this.at < this.pattern.length && !':>)'.includes(this.pattern.charAt(this.at))) this.at++;
      if (this.pattern[this.at++] === ')') return this.item(0);
    }
    this.open.push(this.group);
    this.group = { total: 0, last: 0 };
  }

  private close(): void {
    const outer = this.open.pop();
    if (outer === undefined) return;
    const size = this.group.total + 2;
    this.group = { total: outer.total + size, last: size };
  }

  private escape(): void {
    const next = this.pattern[this.at + 1];
    if (next === 'Q') return this.quoted();
    this.at += 2;
    if ((next === 'p' || next === 'P' || next === 'x') && this.pattern[this.at] === '{') {
      const end = this.pattern.indexOf('}', this.at);
      this.at = end === -1 ? this.pattern.length : end + 1;
    }
    this.item(1);
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
