import { Command } from 'commander';
import { parseDuration } from '../duration';
import { UsageError } from '../failure';
import { collect } from '../input';
import { type Answer, Installation, type InstallationOptions, withInstallation } from './installation';
import { rowsOf } from './list-commands';
import { print } from './output';

interface DisconnectOptions extends InstallationOptions {
  readonly uid?: string;
  readonly connection?: string;
  readonly channel?: string;
  readonly jti?: string;
  readonly except?: readonly string[];
  readonly reason?: string;
  readonly refuseFor?: number;
  readonly reconnect?: true;
}

interface RevokeOptions extends InstallationOptions {
  readonly jti?: string;
  readonly uid?: string;
  readonly kid?: string;
  readonly before?: string;
  readonly reason?: string;
  readonly keepFor?: number;
}

interface RevocationsOptions extends InstallationOptions {
  readonly delete?: string;
  readonly jti?: string;
  readonly uid?: string;
  readonly kid?: string;
}

const refuseFor = (text: string): number => parseDuration(text, '--refuse-for');
/** `-1`: until it is deleted. */
const keepFor = (text: string): number => (text === '-1' ? -1 : parseDuration(text, '--keep-for'));

/** `hearth disconnect`: sends clients away. */
export function disconnectCommand(): Command {
  const command = new Command('disconnect')
    .summary('close connections')
    .description('Close connections, and refuse their tokens for a while if told so.')
    .option('--uid <uid>', 'all of a user')
    .option('--connection <id>', 'one connection')
    .option('--channel <name>', 'all that are subscribed to a channel')
    .option('--jti <id>', 'all with the token of this jti')
    .option('--except <id>', 'but not this connection; repeatable', collect)
    .option('--reason <text>', 'what clients are told')
    .option('--refuse-for <time>', 'refuse them for so long: 90, 90s, 15m, 2h, 1d', refuseFor)
    .option('--reconnect', 'ask them back with another token')
    .action(disconnect);
  return withInstallation(command);
}

/** `hearth unsubscribe`: ends subscriptions. */
export function unsubscribeCommand(): Command {
  const command = new Command('unsubscribe')
    .summary('end subscriptions to a channel')
    .description('End subscriptions of a user or a connection to a channel, and refuse new ones for a minute.')
    .requiredOption('--channel <name>', 'the channel')
    .option('--uid <uid>', 'all of a user')
    .option('--connection <id>', 'of one connection')
    .option('--refuse-for <time>', 'refuse new ones for so long (default: 60s)', refuseFor)
    .action(unsubscribe);
  return withInstallation(command);
}

/** `hearth revoke`: takes tokens back. */
export function revokeCommand(): Command {
  const command = new Command('revoke')
    .summary('take tokens back')
    .description('Take tokens back: whatever was opened with them ends, and they are good for nothing any more.')
    .option('--jti <id>', 'the token of this jti')
    .option('--uid <uid>', 'tokens of a user')
    .option('--kid <id>', 'tokens of a signing key')
    .option('--before <time>', 'with --uid: issued before, as Unix seconds or 2026-01-31T09:00:00Z (default: now)')
    .option('--reason <text>', 'for people who look at it later')
    .option('--keep-for <time>', 'longer than the tokens last: 90, 15m, 2h, 31d; -1 until it is deleted', keepFor)
    .action(revoke);
  return withInstallation(command);
}

/** `hearth revocations`: what was taken back. */
export function revocationsCommand(): Command {
  const command = new Command('revocations')
    .summary('list revocations, delete one')
    .description('List what was revoked, or delete a revocation.')
    .option('--jti <id>', 'of this jti')
    .option('--uid <uid>', 'of this user')
    .option('--kid <id>', 'of this signing key')
    .option('--delete <id>', 'delete this one')
    .action(revocations);
  return withInstallation(command);
}

async function disconnect(options: DisconnectOptions): Promise<void> {
  const { uid, connection, channel, jti, except, reason, reconnect } = options;
  oneOf({ '--uid': uid, '--connection': connection, '--channel': channel, '--jti': jti });
  const body = { uid, connectionId: connection, channel, jti, except, reason, refuseFor: options.refuseFor, reconnect };
  const answer = await (await Installation.of(options)).call('POST', 'disconnect', {}, body);
  print(options.json, answer, [`Disconnected ${String(answer.disconnected)}${until(answer)}`]);
}

async function unsubscribe(options: DisconnectOptions): Promise<void> {
  const { uid, connection, channel } = options;
  oneOf({ '--uid': uid, '--connection': connection });
  const body = { channel, uid, connectionId: connection, refuseFor: options.refuseFor };
  const answer = await (await Installation.of(options)).call('POST', 'unsubscribe', {}, body);
  print(options.json, answer, [`Unsubscribed ${String(answer.unsubscribed)}${until(answer)}`]);
}

function until({ refusedUntil }: Answer): string {
  return typeof refusedUntil === 'string' ? `, refused until ${refusedUntil}` : '';
}

async function revoke(options: RevokeOptions): Promise<void> {
  const { jti, uid, kid, before, reason } = options;
  oneOf({ '--jti': jti, '--uid': uid, '--kid': kid });
  if (before !== undefined && uid === undefined) throw new UsageError('--before needs --uid');
  const issuedBefore = before !== undefined && /^\d+(\.\d+)?$/.test(before) ? Number(before) : before;
  const body = { jti, uid, kid, issuedBefore, reason, keepFor: options.keepFor };
  const answer = await (await Installation.of(options)).call('POST', 'revocations', {}, body);
  const { id, disconnected, keptUntil } = answer;
  const kept = typeof keptUntil === 'string' ? `kept until ${keptUntil}` : 'kept until it is deleted';
  print(options.json, answer, [`Revoked as ${String(id)}, ${kept}; disconnected ${String(disconnected)}`]);
}

async function revocations(options: RevocationsOptions): Promise<void> {
  const { jti, uid, kid, delete: id } = options;
  const installation = await Installation.of(options);
  if (id !== undefined) {
    await installation.call('DELETE', `revocations/${encodeURIComponent(id)}`);
    return print(options.json, { deleted: id }, [`Deleted ${id}`]);
  }
  const all = await installation.list('revocations', 'revocations', { jti, uid, kid });
  const head = ['id', 'jti', 'uid', 'issuedBefore', 'kid', 'createdAt', 'keptUntil', 'reason'];
  print(options.json, all, rowsOf(all.revocations as readonly Answer[], head));
}

/** @throws UsageError unless exactly one has a value */
export function oneOf(flags: Readonly<Record<string, string | undefined>>): void {
  const given = Object.keys(flags).filter((flag) => flags[flag] !== undefined);
  if (given.length === 1) return;
  const names = Object.keys(flags).join(', ');
  throw new UsageError(
    given.length === 0 ? `one of ${names} is needed` : `only one of ${given.join(', ')} may be given`,
  );
}
