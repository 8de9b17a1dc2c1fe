import { UsageError } from './failure';

/** A JSON object of claims; what they mean is tokens-and-claims §3, §4. */
export type ClaimsObject = Readonly<Record<string, unknown>>;

/** What the flags of `hearth token` say of claims; absent where the flag was not given. */
export interface ClaimFlags {
  /** Seconds. */
  readonly ttl?: number;
  readonly scope?: string;
  readonly uid?: string;
  readonly umd?: unknown;
  readonly aud?: string;
  readonly iss?: string;
  readonly jti?: string;
  readonly singleUse?: boolean;
  readonly connectionId?: string;
  readonly keepAlive?: boolean;
  readonly closeAtExp?: boolean;
  readonly heartbeatTimeout?: number;
  readonly channel?: readonly string[];
  /** Directives of every one of them. */
  readonly subscribe?: boolean;
  readonly autoSubscribe?: boolean;
  /** Unix seconds; `true`: to everything. */
  readonly history?: true | number;
  readonly getInfo?: boolean;
  /** Names or patterns of events. */
  readonly publish?: readonly string[];
  readonly broadcast?: readonly string[];
  /** Directives of every event in `publish` and `broadcast`. */
  readonly echo?: boolean;
  readonly store?: number;
}

/** Long enough to try things out, too short to be worth stealing from a terminal's memory tomorrow. */
const DEFAULT_TTL_SECONDS = 7_200;

/**
 * The claims of a token: those of a file, with what the flags say laid over them. A token without an end or a scope
 * would be refused, so both have a default; nothing else is added, and nothing is checked: also a token that shall be
 * refused can be made.
 *
 * @param base from `--claims`
 * @param now Unix seconds
 * @param newId a `jti`, for a single-use token without one
 */
export function claimsFrom(flags: ClaimFlags, base: ClaimsObject, now: number, newId: () => string): ClaimsObject {
  const { channel: channels = [], publish = [], broadcast = [], echo, store, ttl } = flags;
  const { subscribe, autoSubscribe, history, getInfo } = flags;
  const { scope, uid, umd, aud, iss, jti, singleUse, connectionId, keepAlive, closeAtExp, heartbeatTimeout } = flags;
  const claims: Record<string, unknown> = {
    ...base,
    ...given({ scope, uid, umd, aud, iss, jti, singleUse, connectionId, keepAlive, closeAtExp, heartbeatTimeout }),
  };
  claims.scope ??= 'connect';
  if (ttl !== undefined) claims.exp = now + ttl;
  claims.exp ??= now + DEFAULT_TTL_SECONDS;
  if (singleUse === true) claims.jti ??= newId();

  const permissions = given({ subscribe, autoSubscribe, historyStart: history === true ? 0 : history, getInfo });
  const messages = messageEntries(publish, broadcast, given({ echo, store }));
  const grantsNothing = Object.keys(permissions).length === 0 && messages === undefined;
  if (channels.length === 0) {
    if (!grantsNothing) throw new UsageError('--channel is needed with flags that say what is allowed on a channel');
    return claims;
  }
  const known = objectIn(claims, 'channels');
  claims.channels = { ...known };
  for (const name of channels) {
    const entry = objectIn(known, name);
    const merged = messages === undefined ? entry.messages : mergeEntries(objectIn(entry, 'messages'), messages);
    const added = grantsNothing ? { subscribe: true } : permissions;
    (claims.channels as Record<string, unknown>)[name] = { ...entry, ...added, ...given({ messages: merged }) };
  }
  return claims;
}

function messageEntries(
  publish: readonly string[],
  broadcast: readonly string[],
  directives: ClaimsObject,
): ClaimsObject | undefined {
  const entries = mergeEntries(
    Object.fromEntries(publish.map((event) => [event, { publish: true, ...directives }])),
    Object.fromEntries(broadcast.map((event) => [event, { broadcast: true, ...directives }])),
  );
  if (Object.keys(entries).length > 0) return entries;
  if (Object.keys(directives).length > 0) throw new UsageError('--echo and --store need --publish or --broadcast');
  return undefined;
}

/** Joins entries of the same name; the members of the second win. */
function mergeEntries(first: ClaimsObject, second: ClaimsObject): ClaimsObject {
  const merged: Record<string, unknown> = { ...first };
  for (const name of Object.keys(second)) merged[name] = { ...objectIn(first, name), ...objectIn(second, name) };
  return merged;
}

/** The members that are not undefined. */
function given(members: ClaimsObject): ClaimsObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function objectIn(parent: ClaimsObject, name: string): ClaimsObject {
  const value = Object.hasOwn(parent, name) ? parent[name] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ClaimsObject) : {};
}
