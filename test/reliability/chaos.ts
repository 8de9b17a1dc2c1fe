import { parseArgs } from 'node:util';
import { findTestNatsServer } from '../support/servers';
import { Backend } from './backend';
import { Cluster, type NatsSize } from './cluster';
import { type Fault, FAULTS, planRounds } from './fault-plan';
import { keepLogs } from './kept-logs';
import { Chaos } from './round';
import { RunTable } from './run-table';

const USAGE = `usage: npm run chaos -- [--seed S] [--minutes N] [--nats 1|3] [--round K] [--faults "kill NATS,…"] [--verbose]

  --seed     what is broken, and when; a random one if not given
  --minutes  no further round begins after so long (5)
  --nats     how many nats-servers (1)
  --round    begins with this round of the seed's (1)
  --faults   breaks nothing but these
  --pace     pause of each publisher between two messages, ms (40)
  --verbose  tells each fault

The end is 0 when every promise was kept, 1 when one was broken, 2 when the run itself failed.
`;

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly size: NatsSize;
  readonly firstRound: number;
  readonly faults: readonly Fault[] | undefined;
  readonly paceMs: number;
  readonly isVerbose: boolean;
}

/** @throws Error that says what is wrong */
function readOptions(args: string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      seed: text,
      minutes: text,
      nats: text,
      round: text,
      faults: text,
      pace: text,
      verbose: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return undefined;
  const number = (name: string, value: string | undefined, otherwise: number): number => {
    const parsed = value === undefined ? otherwise : Number(value);
    if (!Number.isFinite(parsed) || parsed < 0) throw new Error(`--${name} must be a number`);
    return parsed;
  };
  const size = number('nats', values.nats, 1);
  if (size !== 1 && size !== 3) throw new Error('--nats must be 1 or 3');
  const faults = values.faults?.split(',').map((name) => name.trim());
  const unknown = faults?.find((name) => !(name in FAULTS));
  if (unknown !== undefined) throw new Error(`there is no fault "${unknown}": ${Object.keys(FAULTS).join(', ')}`);
  return {
    seed: number('seed', values.seed, Math.floor(Math.random() * 1_000_000)),
    minutes: number('minutes', values.minutes, 5),
    size,
    firstRound: number('round', values.round, 1),
    faults: faults as Fault[] | undefined,
    paceMs: number('pace', values.pace, 40),
    isVerbose: values.verbose === true,
  };
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { seed, minutes, size, firstRound, faults, paceMs, isVerbose } = options;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const repeat = `--seed ${seed} --nats ${size}${faults === undefined ? '' : ` --faults "${faults.join(',')}"`}`;
  say(`chaos: ${repeat} --minutes ${minutes}`);
  await findTestNatsServer();
  const backend = await Backend.start();
  const cluster = await Cluster.start({ nats: size, ownPostgres: true, hasProxies: true, webhookUrl: backend.url });
  const stop = async (): Promise<void> => {
    await cluster.stop();
    await backend.stop();
  };
  const giveUp = (why: string): void => {
    process.stderr.write(`the run itself failed: ${why}\n`);
    void stop()
      .catch(() => undefined)
      .finally(() => process.exit(2));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => giveUp(signal));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.once(event, (error: unknown) => giveUp(reasonOf(error)));
  }
  try {
    const table = new RunTable();
    const beganAt = Date.now();
    const tell = (line: string): void => say(`  ${((Date.now() - beganAt) / 1_000).toFixed(1)} s: ${line}`);
    const chaos = new Chaos(cluster, backend, paceMs, isVerbose ? tell : undefined);
    const endsAt = Date.now() + minutes * 60_000;
    let number = 0;
    for (const steps of planRounds(seed, size, faults)) {
      if (++number < firstRound) continue;
      if (number > firstRound && Date.now() > endsAt) break;
      const startedAt = Date.now();
      const result = await chaos.round(`r${number}`, seed + number, steps);
      table.add(result);
      say(`round ${number}, ${Math.round((Date.now() - startedAt) / 1_000)} s: ${RunTable.line(result)}`);
      for (const what of result.skipped) say(`  not done: ${what}`);
      if (RunTable.isSpotless(result)) continue;
      for (const example of result.examples) say(`  ${example}`);
      say(
        `  to repeat: npm run chaos -- ${repeat} --round ${number} --minutes 1; logs: ${keepLogs(`${seed}-${number}`, cluster, result)}`,
      );
    }
    const missing = await chaos.finish();
    table.addMissing(missing);
    for (const what of missing.slice(0, 10)) say(`at the end: ${what}`);
    say(table.text());
    const errors = cluster.nodes.flatMap((node) => node.errors);
    if (errors.length > 0) say(`${errors.length} ERROR lines, the first ones:\n${errors.slice(0, 10).join('\n')}`);
    say(table.isSpotless ? `every promise was kept: ${repeat}` : `promises were broken: ${repeat}`);
    return table.isSpotless ? 0 : 1;
  } finally {
    await stop();
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`the run itself failed: ${reasonOf(error)}\n`);
    process.exit(2);
  },
);
