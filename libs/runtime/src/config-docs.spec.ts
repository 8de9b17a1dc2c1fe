import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SINGLE_SERVICES, type Variable, VARIABLES } from '@hearth/config';
import { Metrics } from './admin/metrics';

const text = readFileSync(join(__dirname, '../../../docs/configuration.md'), 'utf8');

/** Cells of the table rows that begin with a name like these, without padding and Markdown escapes. */
function rowsOf(name: RegExp): string[] {
  const rows = text.split('\n').filter((line) => name.test(line));
  return rows.map((row) => cellsOf(row).join(' | ')).sort();
}

function cellsOf(row: string): string[] {
  const cells = row.split('|').slice(1, -1);
  return cells.map((cell) => cell.trim().replace(/\\([*_<>])/g, '$1'));
}

function rowOf(variable: Variable): string {
  const { name, defaultNote, kind, meaning, services, marks = [] } = variable;
  const fallback = variable.default === undefined || variable.default === '' ? '–' : `\`${variable.default}\``;
  const readBy = services.length === SINGLE_SERVICES.length ? 'all' : services.join(', ');
  const cells = [defaultNote ?? fallback, kind.allowed, meaning, readBy, marks.join(', ') || '–'];
  return [`\`${name}\``, ...cells].join(' | ');
}

describe('docs/configuration.md', () => {
  it('has one row for each variable, with what the code knows about it, and no other', () => {
    expect(rowsOf(/^\| `HEARTH_\w+` +\| .*\|.*\|.*\|.*\|/)).toEqual(Object.values(VARIABLES).map(rowOf).sort());
  });

  it('has one row for each metric, and no other', async () => {
    const { registry } = new Metrics();
    const known = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('hearth_'));
    const rows = known.map(({ name, type, help }) => {
      const { labelNames = [] } = registry.getSingleMetric(name) as unknown as { labelNames?: string[] };
      const labels = labelNames.length === 0 ? '' : `{${labelNames.join()}}`;
      return [`\`${name}${labels}\``, String(type), help].join(' | ');
    });
    expect(rowsOf(/^\| `hearth_/)).toEqual(rows.sort());
  });
});
