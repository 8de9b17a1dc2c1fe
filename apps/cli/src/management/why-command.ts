import { Command } from 'commander';
import { oneOf } from './change-commands';
import { type Answer, Installation, type InstallationOptions, withInstallation } from './installation';
import { cell, print } from './output';

interface WhyOptions extends InstallationOptions {
  readonly uid?: string;
  readonly connection?: string;
}

/** One of `connections` (management-api §2). */
interface Trace {
  readonly id: string;
  readonly uid: string | null;
  readonly verdict: string;
  readonly maySubscribe: boolean | null;
  readonly waitingBytes: number;
  readonly subscribedAt: string | null;
  readonly end: { readonly at: string; readonly code: number | null; readonly reason: string | null } | null;
}

/** `hearth why`: why somebody did not get a message. */
export function whyCommand(): Command {
  const command = new Command('why')
    .summary('say why somebody did not get a message')
    .description(
      'Say what the connections of a user got of a message, and why not: of those that are open or ended lately.',
    )
    .argument('<channel>', 'name of the channel')
    .argument('[message]', 'id of the message (default: the newest)', 'last')
    .option('--uid <uid>', 'connections of this user')
    .option('--connection <id>', 'one connection')
    .action(why);
  return withInstallation(command);
}

async function why(channel: string, id: string, { uid, connection, ...options }: WhyOptions): Promise<void> {
  oneOf({ '--uid': uid, '--connection': connection });
  const path = `channels/${encodeURIComponent(channel)}/messages/${encodeURIComponent(id)}/delivery`;
  const answer = await (await Installation.of(options)).call('GET', path, { uid, connectionId: connection });
  const traces = answer.connections as readonly Trace[];
  const lines = traces.map((trace) => `${cell(trace.id)}  ${cell(trace.uid)}  ${reasonOf(trace)}`);
  if (lines.length === 0) lines.push('No such connection is open or ended lately: the client was away.');
  print(options.json, answer, [messageLine(answer.message as Answer), ...lines]);
}

function messageLine({ id, event, at, position, isDelivered, isStored }: Answer): string {
  if (isDelivered !== true && isStored !== true) {
    return `${cell(id)}: never accepted in this channel, a repeat, or gone since`;
  }
  const way = isDelivered === true ? `passed on at position ${cell(position)}` : 'passed on long ago';
  return `${cell(id)}  ${cell(event)}  ${cell(at)}  ${way}, ${isStored === true ? 'stored' : 'not stored'}`;
}

function reasonOf(trace: Trace): string {
  const { end } = trace;
  if (end === null) return verdictLine(trace);
  const how = end.code === null ? 'by its client or the network' : `with ${end.code} ${cell(end.reason)}`;
  return `${verdictLine(trace)}; ended ${end.at} ${how}`;
}

function verdictLine({ verdict, maySubscribe, waitingBytes, subscribedAt, end }: Trace): string {
  switch (verdict) {
    case 'sent':
      return waitingBytes === 0
        ? 'sent'
        : `sent, but ${waitingBytes} bytes have not left its socket: a slow client or network`;
    case 'subscribedLater':
      return `subscribed later, ${cell(subscribedAt)}: it came only if the client resumed`;
    case 'notSubscribed':
      if (end !== null) return 'was not subscribed';
      return maySubscribe === true
        ? 'not subscribed, though its token allows it'
        : 'not subscribed, and its token does not allow it';
    case 'own':
      return 'published it, and has no echo for the event';
    case 'catchingUp':
      return end === null ? 'is still being sent what it missed' : 'ended while it was being sent what it missed';
    case 'notHere':
      return 'its gateway has not got it yet';
    case 'endedBefore':
      return 'ended before it';
    default:
      return 'nobody can have got it';
  }
}
