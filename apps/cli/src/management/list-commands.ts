import { Command } from 'commander';
import { type Answer, Installation, type InstallationOptions, withInstallation } from './installation';
import { members, print, table } from './output';

type Rows = readonly Answer[];

interface ConnectionsOptions extends InstallationOptions {
  readonly uid?: string;
  readonly channel?: string;
  readonly address?: string;
  readonly jti?: string;
}

const CONNECTION = ['id', 'uid', 'sourceIp', 'transport', 'connectedAt', 'expiresAt', 'subscriptionsCount'];
const SCHEDULE = ['id', 'at', 'channel', 'event', 'uid', 'key'];

/** `hearth connections`: who is connected. */
export function connectionsCommand(): Command {
  const command = new Command('connections')
    .summary('list connections, or show one')
    .description('List who is connected, over all gateways, or show one connection with its subscriptions.')
    .argument('[id]', 'id of a connection')
    .option('--uid <uid>', 'of this user')
    .option('--channel <name>', 'subscribed to this channel')
    .option('--address <range>', 'from this IP address or CIDR range')
    .option('--jti <id>', 'with the token of this jti')
    .action(connections);
  return withInstallation(command);
}

/** `hearth channels`: which channels are in use. */
export function channelsCommand(): Command {
  const command = new Command('channels')
    .summary('list channels that are in use')
    .description('List channels with a subscription, over all gateways.')
    .option('--prefix <text>', 'whose names begin so')
    .action(channels);
  return withInstallation(command);
}

/** `hearth schedules`: what waits for its time. */
export function schedulesCommand(): Command {
  const cancel = new Command('cancel')
    .description('Cancel what was scheduled.')
    .argument('<id>', 'id or ARN of a schedule')
    .action(cancelSchedule);
  const command = new Command('schedules')
    .summary('list what is scheduled, show one, cancel one')
    .description('List what is scheduled, or show one with its data.')
    .argument('[id]', 'id or ARN of a schedule')
    .option('--channel <name>', 'for this channel')
    .action(schedules)
    .helpCommand(false)
    .addCommand(withInstallation(cancel));
  return withInstallation(command);
}

async function connections(id: string | undefined, options: ConnectionsOptions): Promise<void> {
  const installation = await Installation.of(options);
  if (id !== undefined) {
    const one = await installation.call('GET', `connections/${encodeURIComponent(id)}`);
    const subscribed = one.subscriptions as Rows;
    const head = ['channel', 'alias', 'uid', 'subscribedAt'];
    const shown = members(one, [...CONNECTION, 'userAgent', 'jti', 'kid', 'umd']);
    return print(options.json, one, subscribed.length === 0 ? shown : [...shown, '', ...rowsOf(subscribed, head)]);
  }
  const { uid, channel, address, jti } = options;
  const all = await installation.list('connections', 'connections', { uid, channel, address, jti });
  print(options.json, all, rowsOf(all.connections as Rows, CONNECTION));
}

async function channels(options: InstallationOptions & { readonly prefix?: string }): Promise<void> {
  const { prefix } = options;
  const all = await (await Installation.of(options)).list('channels', 'channels', { prefix });
  const head = ['name', 'subscriptionsCount', 'connectionsCount', 'membersCount'];
  print(options.json, all, rowsOf(all.channels as Rows, head));
}

async function schedules(
  id: string | undefined,
  options: InstallationOptions & { readonly channel?: string },
): Promise<void> {
  const installation = await Installation.of(options);
  if (id !== undefined) {
    const one = await installation.call('GET', `schedules/${encodeURIComponent(id)}`);
    return print(options.json, one, members(one, [...SCHEDULE, 'trigger', 'scheduleArn', 'store', 'data']));
  }
  const { channel } = options;
  const all = await installation.list('schedules', 'schedules', { channel });
  print(options.json, all, rowsOf(all.schedules as Rows, SCHEDULE));
}

async function cancelSchedule(id: string, _own: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<InstallationOptions>();
  await (await Installation.of(options)).call('DELETE', `schedules/${encodeURIComponent(id)}`);
  print(options.json, { cancelled: id }, [`Cancelled ${id}`]);
}

export function rowsOf(rows: Rows, head: readonly string[]): readonly string[] {
  if (rows.length === 0) return ['none'];
  return table(
    head,
    rows.map((row) => head.map((name) => row[name])),
  );
}
