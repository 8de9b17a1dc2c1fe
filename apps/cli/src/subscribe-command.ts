import type { SigningKey } from '@hearth/claims';
import { Command } from 'commander';
import { parseDuration } from './duration';
import { RefusedError, UsageError } from './failure';
import { type Ending, type Frame, FrameStream } from './frame-stream';
import { collect, readSecret } from './input';
import { installationSettings, webSocketUrl } from './installation-settings';
import { signerOf, type SigningFlags } from './signing';
import { sign } from './token-command';

interface SubscribeOptions extends SigningFlags {
  readonly token?: string;
  readonly uid?: string;
  readonly event?: readonly string[];
  readonly count?: number;
  /** ms */
  readonly timeout?: number;
  readonly url?: string;
}

/** `hearth subscribe`: what a client sees. */
export function subscribeCommand(): Command {
  return new Command('subscribe')
    .summary('print the frames of channels')
    .description('Connect, subscribe and print every frame that comes, one JSON object per line, until Ctrl-C.')
    .argument('<channels...>', 'names of channels')
    .option('--event <name>', 'print only frames of this event; repeatable', collect)
    .option('--count <n>', 'end after this many messages', parseCount)
    .option(
      '--timeout <time>',
      'end after this time; with --count, that it was not reached is exit code 1',
      parseTimeout,
    )
    .option('--url <url>', 'WebSocket or HTTP address (default: that of the settings, ws://localhost:8080/v1)')
    .optionsGroup('Token (default: one is issued, as by hearth token)')
    .option('--token <token>', 'connect token, or @file')
    .option('--uid <uid>', 'user of the token that is issued')
    .option('--key <key>', 'secret or PEM private key to issue it with, or @file')
    .option('--algorithm <name>', 'default: what fits the key')
    .option('--kid <id>', 'header kid')
    .addHelpText('after', EXAMPLES)
    .action(subscribe);
}

const EXAMPLES = `
Exit codes: 0 ended by Ctrl-C or --count, 1 refused, not reachable, closed by the server or timed out,
2 the command line or the settings are wrong.

Examples:
  hearth subscribe my-channel
  hearth subscribe orders.1 orders.2 --event order.paid --count 1 --timeout 30s | jq .data
  hearth subscribe my-channel --url wss://realtime.example.com/v1 --token @token.txt`;

async function subscribe(channels: readonly string[], options: SubscribeOptions): Promise<void> {
  const { count = Infinity, timeout } = options;
  const settings = await installationSettings();
  const token =
    options.token === undefined
      ? await issueToken(channels, options, settings.reloadable.current.signingKeys)
      : readSecret(options.token, '--token');

  let left = count;
  /** Why it ends by our own choice; the first reason counts. */
  let outcome: { readonly failure?: string } | undefined;
  const end = (failure?: string): void => {
    outcome ??= { failure };
    stream.close();
  };
  const stream = new FrameStream(webSocketUrl(settings, options.url), token, (frame) => {
    if (outcome !== undefined) return;
    if (options.event === undefined || options.event.includes(String(frame.event))) {
      process.stdout.write(`${frame.text}\n`);
      if (isMessage(frame) && --left === 0) end();
    }
    if (frame.event === 'hotsock.connected') {
      for (const channel of channels) stream.send({ event: 'hotsock.subscribe', channel });
    }
    // A token may have subscribed by itself.
    if (frame.event === 'hotsock.error' && frame.error?.code !== 'ALREADY_SUBSCRIBED') {
      end(`${String(frame.error?.code)}, ${String(frame.error?.message)}`);
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end());
  const timeUp = (): void =>
    end(count === Infinity ? undefined : `--timeout is over, and ${count - left} of ${count} messages have come`);
  const timer = timeout === undefined ? undefined : setTimeout(timeUp, timeout);
  const ending = await stream.ended;
  clearTimeout(timer);
  const { failure } = outcome ?? { failure: unwanted(ending) };
  if (failure !== undefined) throw new RefusedError(failure);
}

/** What a message of a channel is, as opposed to what the server says about the connection. */
function isMessage({ event }: Frame): boolean {
  return typeof event === 'string' && !event.startsWith('hotsock.');
}

async function issueToken(
  channels: readonly string[],
  { uid, ...flags }: SubscribeOptions,
  installed: readonly SigningKey[],
): Promise<string> {
  const signer = await signerOf(flags, async () => installed);
  const claims = {
    exp: Math.floor(Date.now() / 1_000) + TOKEN_SECONDS,
    scope: 'connect',
    ...(uid === undefined ? {} : { uid }),
    // A channel on which nothing happens is no reason to be disconnected.
    keepAlive: true,
    channels: Object.fromEntries(channels.map((channel) => [channel, { subscribe: true }])),
  };
  return sign(JSON.stringify(claims), signer);
}

/** It is used at once; what is left covers clocks that differ. */
const TOKEN_SECONDS = 60;

function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError('--count must be a whole number of 1 or more');
}

function parseTimeout(text: string): number {
  // The longest that a timer can wait is 24 days.
  return Math.min(parseDuration(text, '--timeout') * 1_000, 2 ** 31 - 1);
}

function unwanted(ending: Ending): string {
  if ('failure' in ending) return ending.failure;
  return `the connection was closed: ${ending.code}${ending.reason === '' ? '' : ` ${ending.reason}`}`;
}
