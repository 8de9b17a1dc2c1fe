import { Command } from 'commander';
import { VERSION } from '@hearth/config';
import { completionCommand } from './completion-command';
import { doctorCommand } from './doctor-command';
import { report } from './failure';
import { keysCommand } from './keys-command';
import { managementCommands } from './management/commands';
import { publishCommand } from './publish-command';
import { subscribeCommand } from './subscribe-command';
import { tokenCommand } from './token-command';

/** The `hearth` command: tokens, messages and keys from a terminal (docs/cli.md). */
function hearthCommand(): Command {
  const program = new Command('hearth')
    .description('Issue and check tokens, publish, subscribe, make keys, look into a Hearth installation and step in.')
    .version(VERSION)
    .helpCommand('help [command]', 'show how a command is used');
  const commands = [
    tokenCommand(),
    publishCommand(),
    subscribeCommand(),
    keysCommand(),
    ...managementCommands(),
    doctorCommand(),
    completionCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  program.addHelpText('after', AFTER_HELP);
  for (const command of [program, ...commands, ...commands.flatMap((parent) => parent.commands)]) {
    command
      .enablePositionalOptions()
      .showHelpAfterError('(--help shows how)')
      .exitOverride()
      .configureOutput({ outputError: (text, write) => write(withoutValues(text)) });
  }
  return program;
}

const AFTER_HELP = `
Settings come from flags, else from the HEARTH_* variables that the server reads, else from
keys.json in the data folder of an all-in-one (HEARTH_DATA_DIR, .hearth by default).

Exit codes: 0 done, 1 refused or not reachable, 2 the command line or the settings are wrong.`;

/** A mistyped flag may carry a secret: `--kye=…`. */
function withoutValues(text: string): string {
  return text.replaceAll(/(unknown option '--?[^=']*)=[^\n]*'/g, "$1'");
}

async function run(program: Command, words: readonly string[]): Promise<void> {
  const [first, topic = 'help'] = words;
  const isKnown = topic.startsWith('-') || program.commands.some((one) => one.name() === topic);
  // Commander would show all commands, as if nothing were wrong.
  if (first === 'help' && topic !== 'help' && !isKnown) program.error(`error: unknown command '${topic}'`);
  await program.parseAsync();
}

// A reader such as `head` that has seen enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

run(hearthCommand(), process.argv.slice(2)).catch((error: unknown) => {
  process.exitCode = report(error);
});
