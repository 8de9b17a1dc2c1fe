import { Command } from 'commander';
import { UsageError } from '../failure';
import { wholeNumber } from '../input';
import { type Answer, Installation, type InstallationOptions, withInstallation } from './installation';
import { rowsOf } from './list-commands';
import { print } from './output';

interface HistoryOptions extends InstallationOptions {
  readonly after?: string;
  readonly limit: number;
}

/** `hearth history`: what is stored of a channel. */
export function historyCommand(): Command {
  const command = new Command('history')
    .summary('list stored messages of a channel')
    .description('List the last messages that are stored of a channel, the newest at the end.')
    .argument('<channel>', 'name of the channel')
    .option('--after <id>', 'those that follow the message of this id')
    .option('--limit <number>', 'so many at most', wholeNumber('--limit'), 100)
    .action(history);
  return withInstallation(command);
}

async function history(channel: string, { after, limit, ...options }: HistoryOptions): Promise<void> {
  if (limit < 1) throw new UsageError('--limit must be at least 1');
  const installation = await Installation.of(options);
  const path = `channels/${encodeURIComponent(channel)}/messages`;
  const isReverse = after === undefined;
  const messages: Answer[] = [];
  for (let cursor = after; messages.length < limit;) {
    const page = await installation.call('GET', path, {
      reverse: isReverse ? 'true' : undefined,
      [isReverse ? 'before' : 'after']: cursor,
      limit: String(Math.min(1_000, limit - messages.length)),
    });
    messages.push(...(page.messages as readonly Answer[]));
    if (typeof page.next !== 'string') break;
    cursor = page.next;
  }
  if (isReverse) messages.reverse();
  const rows = messages.map((message) => ({ ...message, uid: (message.meta as { uid: string | null }).uid }));
  print(options.json, { messages }, rowsOf(rows, ['id', 'event', 'uid', 'data']));
}
