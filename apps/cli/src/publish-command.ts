import {
  Config,
  ConfigurationError,
  PublishError,
  Publisher,
  type PublishInput,
  type PublishResponse,
} from '@hearth/server-sdk';
import { type HearthConfig, outputsOf } from '@hearth/config';
import { Command } from 'commander';
import { RefusedError, UsageError } from './failure';
import { parseJson, readInput, readSecret, wholeNumber } from './input';
import { httpUrl, installationSettings, otherSources } from './installation-settings';
import { jsonWithMember } from './json-member';
import { warn } from './warning';

interface PublishOptions {
  readonly dataFile?: string;
  readonly store?: number;
  readonly deduplicationId?: string;
  readonly at?: string;
  readonly timezone?: string;
  readonly eagerId?: true;
  readonly emitPubSubEvent?: true;
  readonly url?: string;
  readonly apiKey?: string;
  readonly lambda?: true;
  readonly function?: string;
  readonly accessKey?: string;
  readonly json?: true;
}

/** `hearth publish`: one message, through the server library and either of its doors. */
export function publishCommand(): Command {
  return new Command('publish')
    .summary('publish a message')
    .description('Publish one message to a channel.')
    .argument('<channel>', 'name of the channel')
    .argument('<event>', 'name of the event')
    .argument('[data]', 'JSON, - for stdin (default: null)')
    .option('--data-file <file>', 'JSON from a file')
    .option('--store <seconds>', 'keep it in the history this long; -1 for ever', wholeNumber('--store'))
    .option('--deduplication-id <id>', 'of several with this id within 5 minutes only the first is delivered')
    .option('--at <time>', 'deliver it then, such as 2026-01-31T09:00:00')
    .option('--timezone <name>', 'time zone of --at, such as Europe/Berlin (default: UTC)')
    .option('--eager-id', 'ask for the id of the message')
    .option('--emit-pub-sub-event', 'also emit a backend event')
    .optionsGroup('Where to')
    .option('--url <url>', 'address of the installation (default: that of the settings, http://localhost:8080)')
    .option('--api-key <key>', 'API key, or @file (default: HEARTH_HTTP_API_KEY_1)')
    .option('--lambda', 'as an AWS SDK does it: invoke the publish function, signed with an access key')
    .option('--function <name>', 'name or ARN of the publish function (default: HEARTH_PUBLISH_FUNCTION_NAMES)')
    .option('--access-key <key>', 'access key as AKID:SECRET, or @file (default: HEARTH_AWS_ACCESS_KEYS)')
    .optionsGroup('Output')
    .option('--json', "print the installation's answer")
    .addHelpText('after', EXAMPLES)
    .action(publish);
}

const EXAMPLES = `
Exit codes: 0 accepted, 1 refused or not reachable, 2 the command line or the settings are wrong.

Examples:
  hearth publish my-channel greeting '"hello"' --store 3600
  hearth publish orders.17 order.paid --data-file order.json --eager-id --json
  date +%s | hearth publish clock tick - --lambda
  hearth publish my-channel ping --url https://realtime.example.com --api-key @api-key.txt`;

async function publish(
  channel: string,
  event: string,
  data: string | undefined,
  options: PublishOptions,
): Promise<void> {
  const document = messageDocument(channel, event, data, options);
  const publisher = new Publisher(publisherConfig(await installationSettings(), options));
  try {
    const result = await publisher.publishDocument(document);
    const answer = result.text();
    warn(result.warning);
    process.stdout.write(`${options.json === true ? answer : outcome(answer)}\n`);
  } catch (error) {
    if (error instanceof PublishError) throw new RefusedError(error.message, { cause: error });
    if (error instanceof ConfigurationError) throw new UsageError(inFlags(error), { cause: error });
    throw error;
  }
}

function outcome(answer: string): string {
  const { channel, event, id, scheduleArn } = JSON.parse(answer) as PublishResponse;
  const named = id == null ? '' : ` as ${id}`;
  return scheduleArn === undefined
    ? `Published ${event} to ${channel}${named}`
    : `Scheduled ${event} for ${channel}${named}: ${scheduleArn}`;
}

/** The library's complaint about an option, as one about the flag that it came from. */
function inFlags({ option, message }: ConfigurationError): string {
  const flags: Readonly<Record<string, string>> = { httpApiKey: '--api-key', awsAccessKeyId: '--access-key' };
  return message.replace(option, flags[option] ?? option);
}

/** JSON text of the message (publish-api §3). */
function messageDocument(channel: string, event: string, data: string | undefined, options: PublishOptions): string {
  const { deduplicationId, eagerId, emitPubSubEvent, store, at, timezone } = options;
  const members: PublishInput = {
    channel,
    event,
    deduplicationId,
    eagerIdGeneration: eagerId,
    emitPubSubEvent,
    store,
    scheduleExpression: at?.replace(/^(?!at\().*/s, 'at($&)'),
    scheduleExpressionTimezone: timezone,
  };
  return jsonWithMember(members, 'data', messageData(data, options.dataFile));
}

/** JSON text of `data`, as it was given. */
function messageData(argument: string | undefined, file: string | undefined): string | undefined {
  if (argument !== undefined && file !== undefined) throw new UsageError('give [data] or --data-file, not both');
  const flag = file === undefined ? '[data]' : '--data-file';
  const source = argument === '-' ? '-' : file;
  const text = source === undefined ? argument : readInput(source, flag);
  if (text !== undefined) parseJson(text, flag, '\'"text"\' or \'{"a":1}\'');
  return text;
}

function publisherConfig(settings: HearthConfig, options: PublishOptions): Config {
  const base = httpUrl(settings, options.url);
  if (options.lambda !== true) {
    if (options.accessKey !== undefined || options.function !== undefined) {
      throw new UsageError('--access-key and --function need --lambda');
    }
    return new Config({
      transport: 'http',
      publishHttpApiUrl: `${base}publish`,
      httpApiKey: apiKey(settings, options),
    });
  }
  if (options.apiKey !== undefined) throw new UsageError('--api-key and --lambda exclude each other');
  const [awsAccessKeyId, awsSecretAccessKey] = accessKey(settings, options);
  return new Config({
    transport: 'lambda',
    lambdaEndpoint: base,
    publishFunctionArn: options.function ?? outputsOf(settings).publishFunctionArn,
    awsRegion: settings.awsRegion,
    awsAccessKeyId,
    awsSecretAccessKey,
  });
}

function apiKey({ reloadable }: HearthConfig, options: PublishOptions): string {
  if (options.apiKey !== undefined) return readSecret(options.apiKey, '--api-key');
  const [key] = reloadable.current.apiKeys;
  if (key === undefined) throw new UsageError(`no API key: give --api-key, ${otherSources('HEARTH_HTTP_API_KEY_1')}`);
  return key;
}

function accessKey({ reloadable }: HearthConfig, options: PublishOptions): readonly [id: string, secret: string] {
  if (options.accessKey !== undefined) {
    const [, id, secret] = /^([^:]+):(.+)$/.exec(readSecret(options.accessKey, '--access-key')) ?? [];
    if (id === undefined || secret === undefined) throw new UsageError('--access-key must be AKID:SECRET');
    return [id, secret];
  }
  const { awsAccessKeys } = reloadable.current;
  const [first] = awsAccessKeys === 'off' ? [] : awsAccessKeys;
  if (first !== undefined) return first;
  throw new UsageError(`no access key: give --access-key, ${otherSources('HEARTH_AWS_ACCESS_KEYS')}`);
}
