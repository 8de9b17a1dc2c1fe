/** `npm run bench`: Hearth beside what one would otherwise write, on this machine. See docs/benchmark.md. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkFloors, FloorResult } from './floors';
import { describeMachine, Machine } from './machine';
import { Options, parseOptions, USAGE } from './options';
import { absoluteTable, floorLines, ratioTable, runLine } from './report';
import { Run, runScenario } from './scenarios/run-scenario';
import { Sizes } from './scenarios/scenario';
import { FULL, QUICK, withinFileLimit } from './scenarios/sizes';
import { Summary } from './summary';

/** Results go to the source folder, whether this file runs from there or from `dist`. */
const RESULTS_DIR = join(process.cwd(), 'bench', 'results');

/** What a shell reports of a program ended by Ctrl-C. */
const INTERRUPTED = 130;

function profileFlags({ profileDir }: Options): string[] {
  return profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileDir)}`];
}

/**
 * Runs everything once, then everything again: a drift of the machine meets all servers and all scenarios, some of which
 * are compared with each other.
 */
async function runAll(options: Options, sizes: Sizes, signal: AbortSignal): Promise<Run[]> {
  const runs: Run[] = [];
  for (let repetition = 1; repetition <= options.repetitions; repetition++) {
    for (const scenario of options.scenarios) {
      for (const peer of options.peers.filter((candidate) => scenario.suits(candidate))) {
        const run = await runScenario(scenario, peer, repetition, sizes, profileFlags(options), signal);
        runs.push(run);
        console.error(runLine(run, scenario, peer));
      }
    }
  }
  return runs;
}

async function writeResults(machine: Machine, sizes: Sizes, runs: readonly Run[], floors: readonly FloorResult[]) {
  const measuredAt = new Date().toISOString();
  const file = join(RESULTS_DIR, `${measuredAt.replaceAll(':', '-')}.json`);
  await mkdir(RESULTS_DIR, { recursive: true });
  await writeFile(file, `${JSON.stringify({ measuredAt, machine, sizes, floors, runs }, undefined, 2)}\n`);
  return file;
}

async function main(interrupted: AbortController): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

  const machine = describeMachine();
  const wanted = options.quick ? QUICK : FULL;
  const sizes = withinFileLimit(wanted, machine.openFiles);
  console.error(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}`,
  );
  if (sizes.idleConnections < wanted.idleConnections) {
    console.error(`Only ${sizes.idleConnections} connections: the limit of open files is ${machine.openFiles}.`);
  }

  const runs = await runAll(options, sizes, interrupted.signal);
  const summary = new Summary(runs);
  const floors = checkFloors(summary);
  const sections = [
    absoluteTable(summary, options.scenarios, options.peers),
    ratioTable(summary, options.scenarios, options.peers),
    floorLines(floors),
    options.quick ? 'A quick run shows that everything works; its figures are not comparable.' : '',
    `Results: ${await writeResults(machine, sizes, runs, floors)}`,
  ];
  console.log(`\n${sections.filter((section) => section !== '').join('\n\n')}`);

  const failed = runs.filter(({ failures }) => failures.length > 0);
  if (failed.length > 0) console.error(`${failed.length} of ${runs.length} runs failed.`);
  return failed.length > 0 || (options.assert && floors.some(({ passed }) => !passed)) ? 1 : 0;
}

const interrupted = new AbortController();
main(interrupted).then(
  (code) => process.exit(code),
  (error: unknown) => {
    // By now the server and the generator of the interrupted run are gone.
    if (!interrupted.signal.aborted) console.error(error instanceof Error ? error.message : error);
    process.exit(interrupted.signal.aborted ? INTERRUPTED : 1);
  },
);
