import { EXIT } from '../failure';
import { exactly } from './exact-numbers';
import type { Answer } from './installation';

/**
 * Prints an answer: as JSON, or in lines for a person. A gateway that did not answer makes it a failure.
 *
 * @param lines without a line end
 */
export function print(json: boolean | undefined, answer: Answer, lines: readonly string[]): void {
  const text = json === true ? [exactly(JSON.stringify(answer))] : lines;
  process.stdout.write(text.map((line) => `${line}\n`).join(''));
  if (answer.complete !== false) return;
  process.exitCode = EXIT.refused;
  process.stderr.write('warning: a gateway did not answer in time, so this is not complete\n');
}

/** Rows under a head, in columns as wide as they must be. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): readonly string[] {
  const cells = [head, ...rows].map((row) => row.map(cell));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `name  value` for each member that has a value. */
export function members(answer: Answer, names: readonly string[]): readonly string[] {
  const known = names.filter((name) => answer[name] !== undefined && answer[name] !== null);
  const width = Math.max(0, ...known.map(({ length }) => length));
  return known.map((name) => `${name.padEnd(width)}  ${cell(answer[name])}`);
}

/** What clients may have written must not reach a terminal as more than text. */
export function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  const text = exactly(typeof value === 'string' ? value : JSON.stringify(value));
  // eslint-disable-next-line no-control-regex -- these are what a terminal would obey
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
