import { Command } from 'commander';
import { UsageError } from '../failure';
import { type Answer, Installation, type InstallationOptions, withInstallation } from './installation';
import { rowsOf } from './list-commands';
import { members, print } from './output';

interface DeadLettersOptions extends InstallationOptions {
  readonly target?: string;
}

interface RetryOptions extends DeadLettersOptions {
  readonly all?: true;
}

const DEAD_LETTER = ['id', 'target', 'type', 'channel', 'attempts', 'lastError', 'givenUpAt', 'retryRequestedAt'];

/** `hearth dead-letters`: webhooks that were given up. */
export function deadLettersCommand(): Command {
  const retry = new Command('retry')
    .description('Have dead letters sent again: one, all of a target, or all.')
    .argument('[id]', 'id of one')
    .option('--target <name>', 'all of this target')
    .option('--all', 'all that there are')
    .action(retryDeadLetters);
  const command = new Command('dead-letters')
    .summary('list webhooks that were given up, show one, have them sent again')
    .description('List webhooks that were given up, or show one with what was sent.')
    .argument('[id]', 'id of one')
    .option('--target <name>', 'only those of this target')
    .action(deadLetters)
    .helpCommand(false)
    .addCommand(withInstallation(retry));
  return withInstallation(command);
}

async function deadLetters(id: string | undefined, options: DeadLettersOptions): Promise<void> {
  const installation = await Installation.of(options);
  if (id !== undefined) {
    const one = await installation.call('GET', `dead-letters/${encodeURIComponent(id)}`);
    return print(options.json, one, members(one, [...DEAD_LETTER, 'eventId', 'waitingSince', 'payload']));
  }
  const all = await installation.list('dead-letters', 'deadLetters', { target: options.target });
  print(options.json, all, rowsOf(all.deadLetters as readonly Answer[], DEAD_LETTER));
}

async function retryDeadLetters(id: string | undefined, _own: unknown, command: Command): Promise<void> {
  // The flag of the parent has the same name; either place will do.
  const { target, all, ...options } = command.optsWithGlobals<RetryOptions>();
  if ([id, target, all].filter((each) => each !== undefined).length !== 1) {
    throw new UsageError('give one of [id], --target and --all');
  }
  const installation = await Installation.of(options);
  const path = id === undefined ? 'dead-letters/retry' : `dead-letters/${encodeURIComponent(id)}/retry`;
  const answer = await installation.call('POST', path, {}, id === undefined ? { target } : undefined);
  print(options.json, answer, [`Sends ${String(answer.requested)} again`]);
}
