import { Command, Option } from 'commander';
import type { TokenSettings, TokenUse } from '@hearth/claims';
import type { HearthConfig } from '@hearth/config';
import { checkToken, TOKEN_USES, type Verdict } from './check-token';
import { acceptedLines, decide, decisionLine, explanation } from './explain';
import { EXIT, UsageError } from './failure';
import { collect, readInput } from './input';
import { installationSettings, otherSources } from './installation-settings';
import { jsonWithMember } from './json-member';

interface CheckOptions {
  readonly for?: TokenUse;
  readonly channel?: readonly string[];
  readonly event?: string;
  readonly json?: true;
}

/** `hearth token check`: the gateway's own verdict on a token, with the same code and the same settings. */
export function tokenCheckCommand(): Command {
  return new Command('check')
    .summary('say why the installation would refuse a token, or what it allows')
    .description(
      'Say why the installation would refuse a token, or what it allows, with the code and the settings ' +
        '(HEARTH_SIGNING_KEY_*, HEARTH_TOKEN_AUDIENCE and so on) of the gateway.',
    )
    .argument('<token>', 'the token, - for stdin')
    .addOption(new Option('--for <use>', 'what it is used for (default: what it can be)').choices(TOKEN_USES))
    .option('--channel <name>', 'say what it allows on this channel, patterns and all; repeatable', collect)
    .option('--event <name>', 'say whether it may publish this event on those channels')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(check);
}

const EXAMPLES = `
Exit codes: 0 valid, 1 refused, 2 the command line or the settings are wrong.

Examples:
  hearth token check eyJhbGciOi…
  pbpaste | hearth token check - --channel orders.17 --event chat
  hearth token check "$TOKEN" --for subscribe --json`;

async function check(argument: string, options: CheckOptions): Promise<void> {
  const { channel: channels = [], event } = options;
  if (event !== undefined && channels.length === 0) throw new UsageError('--event needs --channel');
  const token = (argument === '-' ? readInput('-', '<token>') : argument).trim();
  const settings = tokenSettings(await installationSettings());
  const now = Date.now();
  const verdict = await checkToken(token, options.for, settings, now);
  if (!verdict.valid) process.exitCode = EXIT.refused;
  const decisions = verdict.valid ? channels.map((channel) => decide(verdict.claims, channel, event)) : [];
  const text =
    options.json === true
      ? jsonWithMember(jsonOf(verdict, now, decisions), 'umd', verdict.valid ? verdict.claims.umdJson : undefined)
      : [...linesOf(verdict, now), ...decisions.map(decisionLine)].join('\n');
  process.stdout.write(`${text}\n`);
}

/** What a gateway with these settings checks tokens against. */
function tokenSettings({ reloadable, tokenLeewaySeconds, requireKid }: HearthConfig): TokenSettings {
  const { signingKeys, tokenAudience, tokenIssuer } = reloadable.current;
  if (signingKeys.length === 0) {
    throw new UsageError(`no signing key to check with: ${otherSources('HEARTH_SIGNING_KEY_1_ENCODED')}`);
  }
  return {
    keys: signingKeys,
    audience: tokenAudience,
    issuer: tokenIssuer,
    leewaySeconds: tokenLeewaySeconds,
    requireKid,
  };
}

function jsonOf(verdict: Verdict, now: number, decisions: readonly object[]): object {
  if (verdict.valid) return { ...explanation(verdict, now), ...(decisions.length === 0 ? {} : { decisions }) };
  const { reason, message, status } = verdict.error;
  return { valid: false, reason, message, detail: verdict.detail, status };
}

function linesOf(verdict: Verdict, now: number): readonly string[] {
  if (verdict.valid) return acceptedLines(verdict, now);
  const { reason, message } = verdict.error;
  return [`Refused (${reason}): ${message}`, ...(verdict.detail === undefined ? [] : [`  ${verdict.detail}`])];
}
