import { endOfString, skipSpace } from './json-text';

/**
 * Whether two JSON texts mean the same: white space, the order of members and the spelling of strings and numbers do
 * not matter. Numbers are compared as the decimal numbers that were written, however long: `1`, `1.0` and `10e-1` are
 * equal, two integers of 20 digits are equal only if all digits are. Of several members with one name the last counts.
 *
 * Both texts must be valid JSON.
 */
export function sameJson(a: string, b: string): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** The one spelling of all texts that mean the same; for comparing only. */
function canonicalJson(text: string): string {
  return new Canonicalizer(text).value();
}

const SCALAR = /[^,\]}\s]+/y;

class Canonicalizer {
  private at = 0;

  constructor(private readonly text: string) {}

  value(): string {
    const first = this.look();
    if (first === '{') return this.object();
    if (first === '[') return this.array();
    if (first === '"') return this.string();
    const scalar = this.scalar();
    return first === 't' || first === 'f' || first === 'n' ? scalar : canonicalNumber(scalar);
  }

  private object(): string {
    const members = new Map<string, string>();
    while (this.hasNext('}')) {
      const name = this.string();
      this.look();
      this.at++; // the colon
      members.set(name, this.value());
    }
    const names = [...members.keys()].sort();
    return `{${names.map((name) => `${name}:${members.get(name)}`).join(',')}}`;
  }

  private array(): string {
    const elements: string[] = [];
    while (this.hasNext(']')) elements.push(this.value());
    return `[${elements.join(',')}]`;
  }

  /** The next character that is no white space. */
  private look(): string | undefined {
    this.at = skipSpace(this.text, this.at);
    return this.text[this.at];
  }

  /** Steps over the opening bracket or a comma, or over the end, where it answers false. */
  private hasNext(end: string): boolean {
    if (this.look() !== end) this.at++;
    if (this.look() !== end) return true;
    this.at++;
    return false;
  }

  private string(): string {
    const from = this.at;
    this.at = endOfString(this.text, from);
    return JSON.stringify(JSON.parse(this.text.slice(from, this.at)));
  }

  private scalar(): string {
    SCALAR.lastIndex = this.at;
    const [found = ''] = SCALAR.exec(this.text) ?? [];
    this.at += found.length;
    return found;
  }
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The significant digits and the power of ten. */
function canonicalNumber(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  const digits = whole + fraction;
  let from = 0;
  while (digits[from] === '0') from++;
  let to = digits.length;
  while (to > from && digits[to - 1] === '0') to--;
  if (from === to) return '0';
  // An exponent may be longer than what a number of ours holds exactly.
  const power = BigInt(exponent) + BigInt(digits.length - to - fraction.length);
  return `${sign}${digits.slice(from, to)}e${power}`;
}
