import { exceedsCompactBytes, MAX_UMD_BYTES, memberNames, memberText, tooDeep, uidProblem } from '@hearth/protocol';
import { type ChannelEntry, collectAliases, parseChannels } from './channel-claims';
import {
  booleanClaim,
  claim,
  ClaimPath,
  dateClaim,
  isArrayOfStrings,
  isObject,
  type JsonObject,
  refuse,
  stringClaim,
} from './claim-values';
import type { Claims } from './claims';
import type { EntryTable } from './entry-table';
import { parseLimits } from './limit-claims';
import { type Match, matchingEntries } from './resolve';
import { TokenError } from './token-error';
import type { TokenWork } from './token-work';

const ROOT = ClaimPath.root;

export function parseJsonObject(text: string, name: 'header' | 'payload'): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TokenError('malformed', `token ${name} must be JSON`);
  }
  if (!isObject(value)) throw new TokenError('malformed', `token ${name} must be a JSON object`);
  return value;
}

export type RegisteredClaims = Readonly<ReturnType<typeof parseRegisteredClaims>>;

/** The registered claims that decide whether a token may be used at all (tokens-and-claims §1 steps 4 to 7). */
export function parseRegisteredClaims(payload: JsonObject) {
  const exp = dateClaim(payload, 'exp', ROOT);
  if (exp === undefined) return refuse(ROOT.member('exp'), 'is required');
  return {
    exp,
    nbf: dateClaim(payload, 'nbf', ROOT),
    iat: issuedAt(payload),
    audiences: parseAudiences(payload),
    issuer: stringClaim(payload, 'iss', ROOT),
  };
}

/** Decides nothing but which tokens a revocation concerns, so one that is no date is none. */
function issuedAt(payload: JsonObject): number | undefined {
  const value = claim(payload, 'iat');
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function parseAudiences(payload: JsonObject): readonly string[] {
  const value = claim(payload, 'aud');
  if (value === undefined) return [];
  if (typeof value === 'string') return [value];
  if (isArrayOfStrings(value)) return value;
  return refuse(ROOT.member('aud'), 'must be a string or an array of strings');
}

/**
 * Validates and compiles everything else (tokens-and-claims §3 to §6); one violation refuses the token. Unknown claims
 * and directives are ignored.
 *
 * @param text the payload as written: `umd` is passed on in the issuer's spelling (a 20-digit number stays one).
 * @param keyId of the key that verified it, or its `kid`
 * @param work measures what it costs
 */
export function parseClaims(
  payload: JsonObject,
  text: string,
  { exp, iat }: RegisteredClaims,
  keyId: string | undefined,
  work: TokenWork,
): Claims {
  const channels = parseChannels(payload, ROOT, work);
  const autoSubscribe = autoSubscribed(channels, text);
  const umdJson = parseUmd(payload, text);
  const jti = stringClaim(payload, 'jti', ROOT);
  const singleUse = booleanClaim(payload, 'singleUse', ROOT) ?? false;
  if (singleUse && !jti) refuse(ROOT.member('jti'), 'must be a non-empty string in a singleUse token');
  return {
    exp,
    iat,
    keyId,
    scopes: parseScopes(payload),
    uid: parseUid(payload),
    umdJson: umdJson ?? 'null',
    hasUmd: umdJson !== undefined,
    jti,
    singleUse,
    connectionId: stringClaim(payload, 'connectionId', ROOT),
    keepAlive: booleanClaim(payload, 'keepAlive', ROOT) ?? false,
    closeAtExp: booleanClaim(payload, 'closeAtExp', ROOT),
    heartbeatTimeout: parseHeartbeatTimeout(payload),
    limits: parseLimits(payload),
    umdUpdate: booleanClaim(payload, 'umdUpdate', ROOT) ?? false,
    umdPropagate: booleanClaim(payload, 'umdPropagate', ROOT) ?? false,
    channels,
    aliases: collectAliases(channels, ROOT.member('channels')),
    autoSubscribe,
    matched: matchAll(channels, autoSubscribe, work),
  };
}

function parseScopes(payload: JsonObject): ReadonlySet<string> {
  const scope = stringClaim(payload, 'scope', ROOT);
  if (scope === undefined) return refuse(ROOT.member('scope'), 'is required');
  if (scope !== lastScopes.scope)
    lastScopes = { scope, scopes: new Set(scope.split(' ').filter((word) => word !== '')) };
  return lastScopes.scopes;
}

/** Nearly all tokens say the same. */
let lastScopes: { readonly scope: string; readonly scopes: ReadonlySet<string> } = { scope: '', scopes: new Set() };

function parseUid(payload: JsonObject): string | null {
  const uid = stringClaim(payload, 'uid', ROOT);
  // Integrations send an empty string for "nobody".
  if (uid === undefined || uid === '') return null;
  const problem = uidProblem(uid);
  if (problem !== undefined) refuse(ROOT.member('uid'), problem.slice('uid '.length));
  return uid;
}

function parseUmd(payload: JsonObject, text: string): string | undefined {
  if (claim(payload, 'umd') === undefined) return undefined;
  const slice = memberText(text, 'umd');
  if (slice === undefined) return undefined;
  if (tooDeep(slice) || exceedsCompactBytes(slice.text, MAX_UMD_BYTES)) {
    refuse(ROOT.member('umd'), `must be at most ${MAX_UMD_BYTES} bytes of JSON`);
  }
  return withoutSpace(slice.text);
}

/** White space outside strings is not counted as size, so it must not travel with every message either. */
function withoutSpace(json: string): string {
  return /\s/.test(json) ? json.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1') : json;
}

function parseHeartbeatTimeout(payload: JsonObject): number | undefined {
  const value = claim(payload, 'heartbeatTimeout');
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 5 && value <= 600) return value;
  return refuse(ROOT.member('heartbeatTimeout'), 'must be an integer from 5 to 600');
}

function autoSubscribed(channels: EntryTable<ChannelEntry>, text: string): readonly string[] {
  const names: string[] = [];
  for (const [name, entry] of channels.exact) if (entry.autoSubscribe === true) names.push(name);
  if (names.length < 2 || !names.some((name) => /^\d+$/.test(name))) return names;
  const written = new Map(memberNames(memberText(text, 'channels')?.text ?? '{}').map((name, index) => [name, index]));
  return names.sort((a, b) => (written.get(a) ?? 0) - (written.get(b) ?? 0));
}

const NONE_MATCHED: Claims['matched'] = new Map();

/** Of channels that will be asked for as soon as the token is used: so its cost is known before anybody waits for it. */
function matchAll(
  channels: EntryTable<ChannelEntry>,
  names: readonly string[],
  work: TokenWork,
): ReadonlyMap<string, readonly Match<ChannelEntry>[]> {
  if (channels.patterns.length === 0 || names.length === 0) return NONE_MATCHED;
  const matched = new Map<string, readonly Match<ChannelEntry>[]>();
  for (const name of names) matched.set(name, matchingEntries(channels, name, 0, 1, work));
  return matched;
}
