import { Command } from 'commander';
import { memberText } from '@hearth/protocol';
import { CompactSign } from 'jose';
import { randomUUID } from 'node:crypto';
import { claimsFrom, type ClaimFlags, type ClaimsObject } from './claims-from-flags';
import { instant, parseDuration } from './duration';
import { UsageError } from './failure';
import { collect, parseJson, readInput, wholeNumber } from './input';
import { installationSettings } from './installation-settings';
import { jsonWithMember } from './json-member';
import { signerOf, type Signer, type SigningFlags } from './signing';
import { tokenCheckCommand } from './token-check-command';

interface TokenOptions extends SigningFlags, ClaimFlags {
  readonly claims?: string;
  /** JSON text */
  readonly umd?: string;
  readonly json?: true;
}

/** `hearth token` and `hearth token check`. */
export function tokenCommand(): Command {
  return new Command('token')
    .summary('issue a token, for trying things out; "token check" explains one')
    .description('Issue a token for trying things out, and print it. In production your backend issues tokens.')
    .helpCommand(false)
    .option('--uid <uid>', 'user')
    .option('--umd <json>', 'user metadata, any JSON', parseUmd)
    .option('--scope <scopes>', 'connect, subscribe, umd or several, space-separated (default: connect)')
    .option('--ttl <time>', 'how long it is valid: 90, 15m, 2h, 7d (default: 2h)', (text) =>
      parseDuration(text, '--ttl'),
    )
    .optionsGroup('What it allows (for every --channel; without such a flag: to subscribe)')
    .option('--channel <name>', 'channel or pattern; repeatable', collect)
    .option('--subscribe', 'may subscribe')
    .option('--auto-subscribe', 'is subscribed by connecting')
    .option('--history [since]', 'may look back: to everything, or since a date or Unix seconds', parseHistory)
    .option('--get-info', 'may ask for the number of subscribers')
    .option('--publish <event>', 'may publish this event (or pattern) while subscribed; repeatable', collect)
    .option('--broadcast <event>', 'may publish it without a subscription; repeatable', collect)
    .option('--echo', 'gets a copy of what it publishes')
    .option('--store <seconds>', 'what it publishes is kept this long; -1 for ever', wholeNumber('--store'))
    .optionsGroup('More claims')
    .option('--claims <file>', 'JSON object of claims, - for stdin; flags win')
    .option('--aud <audience>', 'aud')
    .option('--iss <issuer>', 'iss')
    .option('--jti <id>', 'jti')
    .option('--single-use', 'can be used once; makes a jti if there is none')
    .option('--connection-id <id>', 'only for this connection (subscribe and umd tokens)')
    .option('--keep-alive', 'the connection is kept alive while nothing is said')
    .option('--close-at-exp', 'the connection ends with the token')
    .option(
      '--heartbeat-timeout <seconds>',
      'the client sends a heartbeat at least this often, 5 to 600',
      wholeNumber('--heartbeat-timeout'),
    )
    .optionsGroup('Signing key (default: the secret of the installation)')
    .option('--key <key>', 'secret or PEM private key, or @file')
    .option('--algorithm <name>', 'default: what fits the key')
    .option('--kid <id>', 'header kid')
    .optionsGroup('Output')
    .option('--json', 'print a JSON object: token, algorithm, kid, claims, expiresAt')
    .addHelpText('after', EXAMPLES)
    .action(issue)
    .addCommand(tokenCheckCommand());
}

const EXAMPLES = `
Examples:
  hearth token --uid you --channel my-channel --subscribe --history --publish chat --echo
  hearth token --scope subscribe --uid you --channel 'orders.*' --ttl 5m
  echo '{"channels":{"a":{"subscribe":true}}}' | hearth token --claims - --uid you
  hearth token --uid you --key @private.pem --kid 2026-01 --json`;

async function issue(options: TokenOptions): Promise<void> {
  const base = options.claims === undefined ? '{}' : readInput(options.claims, '--claims');
  const claims = claimsFrom(options, baseClaims(base), Math.floor(Date.now() / 1_000), randomUUID);
  // The installation passes it on in the issuer's spelling.
  const payload = jsonWithMember(claims, 'umd', options.umd ?? memberText(base, 'umd')?.text);
  const signer = await signerOf(options, async () => (await installationSettings()).reloadable.current.signingKeys);
  const token = await sign(payload, signer);
  const { algorithm, kid } = signer;
  const expiresAt = typeof claims.exp === 'number' ? instant(claims.exp) : undefined;
  const output =
    options.json === true ? jsonWithMember({ token, algorithm, kid, expiresAt }, 'claims', payload) : token;
  process.stdout.write(`${output}\n`);
}

/** Signs any claims, given as JSON text, as a backend would. */
export function sign(payload: string, { algorithm, key, kid }: Signer): Promise<string> {
  const header = { typ: 'JWT', ...(kid === undefined ? {} : { kid }), alg: algorithm };
  return new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(key);
}

function baseClaims(text: string): ClaimsObject {
  const base = parseJson(text, '--claims', '\'{"uid":"you"}\'');
  if (typeof base !== 'object' || base === null || Array.isArray(base)) {
    throw new UsageError('--claims must be a JSON object');
  }
  // Written again it would be null, and the claim would not be there.
  JSON.stringify(base, (name, value: unknown) => {
    if (value === Infinity || value === -Infinity) throw new UsageError(`--claims: ${name} is too large a number`);
    return value;
  });
  return base as ClaimsObject;
}

function parseUmd(text: string): string {
  parseJson(text, '--umd', '\'{"name":"Ada"}\' or \'"text"\'');
  return text;
}

/** Unix seconds. */
function parseHistory(since: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(since) ? Number(since) : Date.parse(since) / 1_000;
  if (Number.isFinite(seconds)) return seconds;
  throw new UsageError('--history must be Unix seconds or a date such as 2026-01-31T12:00:00Z');
}
