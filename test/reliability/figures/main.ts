/** `npm run reliability`: measures the figures of the promises, one after the other, and prints their table. */
import { parseArgs } from 'node:util';
import build from '../../build';
import { findTestNatsServer, startTestPostgres } from '../../support/servers';
import { Cluster } from '../cluster';
import { FIGURES } from './all-figures';
import { type Figure, holds, type Reading, type Size } from './figure';
import { CLUSTER_SETTINGS } from './cluster-settings';

const USAGE = `npm run reliability -- [options]

  --only R4,R10   ${FIGURES.map(({ promise, title }) => `${promise}: ${title}`).join('\n                  ')}
  --small         a small run of everything, to see that it works`;

/** What a figure gave, or why it could not be measured. */
type Outcome = { readonly figure: Figure; readonly readings: readonly Reading[]; readonly error?: unknown };

async function measure(figure: Figure, size: Size): Promise<Outcome> {
  let cluster: Promise<Cluster> | undefined;
  try {
    const readings = await figure.measure({ size, startCluster: () => (cluster ??= Cluster.start(CLUSTER_SETTINGS)) });
    return { figure, readings };
  } catch (error) {
    console.error(error);
    return { figure, readings: [], error };
  } finally {
    await (await cluster)?.stop();
  }
}

/** The table of docs/reliability.md. */
function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.flatMap(({ figure: { promise }, readings, error }) =>
    error === undefined
      ? readings.map((reading) => {
          const { what, atMost, measured, unit } = reading;
          const inUnit = (n: number): string => `${n.toLocaleString('en')}${unit === undefined ? '' : ` ${unit}`}`;
          return [promise, what, atMost === 0 ? '0' : `≤ ${inUnit(atMost)}`, inUnit(measured), verdict(reading)];
        })
      : [[promise, error instanceof Error ? error.message.split('\n', 1).join() : 'failed', '', '', '**no**']],
  );
  const lines = [['', 'figure', 'to hold', 'measured', 'ok'], ['---', '---', '--:', '--:', '---'], ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const verdict = (reading: Reading): string => (holds(reading) ? 'yes' : '**no**');

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      small: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const names = values.only?.split(',');
  const unknown = names?.find((name) => !FIGURES.some(({ promise }) => promise === name));
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of the promises\n\n${USAGE}`);
  build();
  const [stop] = await Promise.all([startTestPostgres(), findTestNatsServer()]);
  const outcomes: Outcome[] = [];
  try {
    // What was started is ended at the exit of this process, but for Postgres, which is in a group of its own.
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void stop().then(() => process.exit(130)));
    for (const figure of FIGURES.filter(({ promise }) => names?.includes(promise) ?? true)) {
      console.error(`${figure.promise}: ${figure.title}`);
      const outcome = await measure(figure, values.small ? 'small' : 'full');
      outcomes.push(outcome);
      console.error(`${table([outcome])}\n`);
    }
  } finally {
    await stop();
  }
  console.log(`\n${table(outcomes)}`);
  return outcomes.every(({ readings, error }) => error === undefined && readings.every(holds)) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
