import { Command } from 'commander';
import { EXIT } from './failure';
import { installationSettings } from './installation-settings';

const MARKS = { ok: 'ok      ', warning: 'warning ', problem: 'PROBLEM ' } as const;

/** `hearth doctor`: what is well with an installation, and what is not. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('look for what is wrong with an installation')
    .description('Look at the installation that the settings describe: services, clock, NATS, Postgres, keys, limits.')
    .option('--json', 'print a JSON array of findings: topic, state (ok, warning, problem), text')
    .addHelpText('after', '\nExit codes: 0 no problem, 1 at least one, 2 the settings are wrong.')
    .action(async ({ json }: { readonly json?: true }) => {
      // Loads the drivers of Postgres and NATS, which no other command needs.
      const { examine } = await import('./doctor-checks.js');
      const findings = await examine(await installationSettings());
      const width = Math.max(...findings.map(({ topic }) => topic.length));
      const lines = findings.map(({ state, topic, text }) => `${MARKS[state]}${topic.padEnd(width)}  ${text}`);
      process.stdout.write(`${json === true ? JSON.stringify(findings) : lines.join('\n')}\n`);
      if (findings.some(({ state }) => state === 'problem')) process.exitCode = EXIT.refused;
    });
}
