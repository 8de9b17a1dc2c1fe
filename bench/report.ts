import { FloorResult } from './floors';
import { Peer } from './peers/peer';
import { Run } from './scenarios/run-scenario';
import { Metric, Scenario } from './scenarios/scenario';
import { Spread } from './statistics';
import { Summary } from './summary';

/** Above this share of a core the load generator, not the server, may have set the pace. */
const GENERATOR_BUSY = 0.9;

type Row = readonly string[];

/** Columns of equal width, the first to the left, the others to the right. */
function table(rows: readonly Row[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function figure(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function withRange(spread: Spread | undefined, { digits }: Metric): string {
  if (!spread) return '–';
  const { median, min, max } = spread;
  return min === max
    ? figure(median, digits)
    : `${figure(median, digits)} [${figure(min, digits)}–${figure(max, digits)}]`;
}

function generatorShare(share: number | undefined): string {
  if (share === undefined) return '–';
  return `${figure(share * 100, 0)} %${share > GENERATOR_BUSY ? ' (at its limit)' : ''}`;
}

/** One line about a finished run, for whoever is waiting. */
export function runLine(run: Run, scenario: Scenario, peer: Peer): string {
  const label = `${scenario.name} #${run.repetition} ${peer.title}:`;
  if (run.failures.length > 0) return `${label} FAILED ${run.failures.join('; ')}`;
  const figures = scenario.metrics.map(
    ({ key, title, unit, digits }) => `${title} ${figure(run.metrics[key] ?? NaN, digits)} ${unit}`,
  );
  return `${label} ${figures.join(', ')}, generator ${generatorShare(run.measurement?.generatorCpu)}`;
}

/** Medians and ranges, a block for each scenario. */
export function absoluteTable(summary: Summary, scenarios: readonly Scenario[], peers: readonly Peer[]): string {
  const rows: Row[] = [['median [min–max]', ...peers.map(({ title }) => title)]];
  const measured = scenarios.filter(({ name }) => peers.some((peer) => summary.has(name, peer.name)));
  for (const scenario of measured) {
    rows.push([scenario.title]);
    for (const metric of scenario.metrics) {
      const cells = peers.map((peer) => withRange(summary.of(scenario.name, peer.name, metric.key), metric));
      rows.push([`  ${metric.title}, ${metric.unit}`, ...cells]);
    }
    const shares = peers.map((peer) => generatorShare(summary.generatorCpu(scenario.name, peer.name)));
    rows.push(['  (load generator, of a core)', ...shares]);
  }
  return table(rows);
}

/** Hearth's medians divided by the others'; the arrow says which way is better. */
export function ratioTable(summary: Summary, scenarios: readonly Scenario[], peers: readonly Peer[]): string {
  const others = peers.filter(({ name }) => name !== 'hearth');
  const rows: Row[] = [['ratio', ...others.map(({ title }) => `Hearth / ${title}`)]];
  for (const scenario of scenarios) {
    for (const metric of scenario.metrics) {
      const ours = summary.median(scenario.name, 'hearth', metric.key);
      const cells = others.map(({ name }) => {
        const theirs = summary.median(scenario.name, name, metric.key);
        return ours === undefined || theirs === undefined || theirs === 0 ? '–' : figure(ours / theirs, 2);
      });
      if (cells.some((cell) => cell !== '–')) {
        rows.push([`${metric.better === 'higher' ? '↑' : '↓'} ${scenario.title}: ${metric.title}`, ...cells]);
      }
    }
  }
  return rows.length > 1 ? table(rows) : '';
}

export function floorLines(floors: readonly FloorResult[]): string {
  return floors.map(({ title, passed, detail }) => `${passed ? 'PASS' : 'FAIL'}  ${title}: ${detail}`).join('\n');
}
