import type { Command } from 'commander';
import { disconnectCommand, revocationsCommand, revokeCommand, unsubscribeCommand } from './change-commands';
import { deadLettersCommand } from './dead-letters-command';
import { historyCommand } from './history-command';
import { channelsCommand, connectionsCommand, schedulesCommand } from './list-commands';
import { whyCommand } from './why-command';

/** The management API from a terminal (management-api §8). */
export function managementCommands(): readonly Command[] {
  return [
    connectionsCommand(),
    channelsCommand(),
    historyCommand(),
    schedulesCommand(),
    deadLettersCommand(),
    disconnectCommand(),
    unsubscribeCommand(),
    revokeCommand(),
    revocationsCommand(),
    whyCommand(),
  ];
}
