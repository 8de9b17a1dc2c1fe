import { Grants, type Claims, type TokenUse } from '@hearth/claims';
import type { TokenContent, Verdict } from './check-token';
import { duration, instant } from './duration';

type Entry = Readonly<Record<string, unknown>>;
type Accepted = Extract<Verdict, { valid: true }>;

/** What one token may do on one channel, all its entries taken together (tokens-and-claims §5). */
export interface Decision {
  readonly channel: string;
  readonly subscribe: boolean;
  readonly autoSubscribe: boolean;
  /** Oldest visible instant in Unix seconds; absent: since the subscription. */
  readonly historyStart?: number;
  readonly getInfo: boolean;
  /** Only when asked about an event. */
  readonly event?: string;
  readonly publish?: 'yes' | 'while subscribed' | 'no';
  readonly echo?: boolean;
  readonly store?: number;
}

/** What the gateway would decide for a channel's real name, and for an event on it. */
export function decide(claims: Claims, channel: string, event: string | undefined): Decision {
  const grants = new Grants(claims);
  const decision = {
    channel,
    subscribe: grants.canSubscribe(channel),
    autoSubscribe: claims.autoSubscribe.includes(channel) && grants.canSubscribe(channel),
    historyStart: grants.historyStart(channel),
    getInfo: grants.getInfo(channel),
  };
  if (event === undefined) return decision;
  const { echo, store } = grants.messageDirectives(channel, event);
  return { ...decision, event, publish: publishing(grants, channel, event), echo, store };
}

function publishing(grants: Grants, channel: string, event: string): Decision['publish'] {
  if (grants.publishDecision(channel, event, false) === 'allow') return 'yes';
  return grants.publishDecision(channel, event, true) === 'allow' ? 'while subscribed' : 'no';
}

/**
 * An accepted token as `--json` prints it, but for `umd`. `channels` is as the token says it.
 *
 * @param nowMs Unix milliseconds
 */
export function explanation({ use, claims, content }: Accepted, nowMs: number): Record<string, unknown> {
  return {
    valid: true,
    use,
    algorithm: content.header.alg,
    kid: content.header.kid,
    scope: [...claims.scopes],
    uid: claims.uid,
    expiresAt: instant(claims.exp),
    expiresInSeconds: Math.floor(claims.exp - nowMs / 1_000),
    connectionId: claims.connectionId,
    jti: claims.jti,
    singleUse: claims.singleUse,
    keepAlive: claims.keepAlive,
    closeAtExp: claims.closeAtExp,
    heartbeatTimeout: claims.heartbeatTimeout,
    limits: content.payload.limits,
    umdUpdate: claims.umdUpdate,
    umdPropagate: claims.umdPropagate,
    channels: content.payload.channels ?? {},
  };
}

const PURPOSE: Readonly<Record<TokenUse, string>> = {
  connect: 'to connect',
  subscribe: 'to subscribe',
  umd: 'to change user metadata',
};

/** An accepted token in lines for a person. */
export function acceptedLines({ use, claims, content }: Accepted, nowMs: number): readonly string[] {
  const { header, payload } = content;
  const lines = [`Valid: Hearth accepts this token ${PURPOSE[use]}.`];
  const line = (name: string, value: string): void => void lines.push(`  ${name.padEnd(10)}${value}`);
  line('expires', `${instant(claims.exp)}, in ${duration(claims.exp - nowMs / 1_000)}`);
  line('scope', [...claims.scopes].join(' '));
  line('uid', claims.uid ?? 'none');
  if (claims.hasUmd) line('umd', claims.umdJson);
  line('signed', `${String(header.alg)}${typeof header.kid === 'string' ? `, kid ${header.kid}` : ''}`);
  if (claims.connectionId !== undefined) line('only for', `connection ${claims.connectionId}`);
  if (claims.singleUse) line('used', `once at most (jti ${claims.jti}); only the gateways know whether it has been`);
  if (claims.keepAlive) line('keepAlive', 'the connection stays open while nothing is said');
  if (claims.closeAtExp !== undefined) {
    line('at exp', `the connection ${claims.closeAtExp ? 'is closed' : 'goes on'}, whatever is configured`);
  }
  if (claims.heartbeatTimeout !== undefined) line('heartbeat', `at least every ${duration(claims.heartbeatTimeout)}`);
  if (claims.limits !== undefined) line('limits', JSON.stringify(content.payload.limits));
  if (claims.umdUpdate) line('umdUpdate', `of the connection${claims.umdPropagate ? ' and its subscriptions' : ''}`);
  return [...lines, ...channelsLines(payload)];
}

function channelsLines({ channels }: TokenContent['payload']): readonly string[] {
  const entries = entriesOf(channels);
  if (entries.length === 0) return ['  channels  none'];
  const lines = entries.flatMap(([name, entry]) => [`    ${name}`, ...channelLines(entry).map((l) => `      ${l}`)]);
  // Resolution rule §5.1: a reader of single entries would not guess it.
  const denies = lines.some((line) => line.trimStart().startsWith('may not '));
  return ['  channels', ...lines, ...(denies ? ['  "may not" wins wherever several of these apply.'] : [])];
}

/** The directives of one entry of `channels`, one line each. */
export function channelLines(entry: Entry): readonly string[] {
  const lines: string[] = [];
  const permission = (name: string, words: string): void => {
    if (typeof entry[name] === 'boolean') lines.push(`${entry[name] ? 'may' : 'may not'} ${words}`);
  };
  permission('subscribe', 'subscribe');
  if (entry.autoSubscribe === true) lines.push('is subscribed by connecting');
  if (typeof entry.alias === 'string') lines.push(`is also called ${entry.alias}`);
  if (typeof entry.historyStart === 'number') {
    lines.push(`may look back ${entry.historyStart === 0 ? 'to everything' : `to ${instant(entry.historyStart)}`}`);
  }
  permission('getInfo', 'ask for the number of subscribers');
  permission('umdUpdate', 'change user metadata here');
  if (entry.omitFromSubCount === true) lines.push('is not counted as a subscriber');
  for (const [event, directives] of entriesOf(entry.messages)) lines.push(...messageLines(event, directives));
  for (const [key, directives] of entriesOf(entry.storage)) lines.push(...storageLines(key, directives));
  return lines.length === 0 ? ['nothing'] : lines;
}

function messageLines(event: string, entry: Entry): readonly string[] {
  const lines: string[] = [];
  const how = [
    ...(entry.echo === true ? ['with a copy to itself'] : []),
    ...(typeof entry.store === 'number' && entry.store !== 0 ? [`stored ${storeTime(entry.store)}`] : []),
    ...(entry.emitPubSubEvent === true ? ['with a backend event'] : []),
    ...(typeof entry.scheduleBefore === 'number' ? [`scheduled until ${instant(entry.scheduleBefore)}`] : []),
  ];
  if (entry.publish === false) lines.push(`may not publish ${event}`);
  else if (entry.broadcast === true) lines.push([`may publish ${event} without a subscription`, ...how].join(', '));
  else if (entry.publish === true) lines.push([`may publish ${event} while subscribed`, ...how].join(', '));
  if (entry.publish !== false && entry.broadcast === false) {
    lines.push(`may not publish ${event} without a subscription`);
  }
  if (typeof entry.react === 'boolean') lines.push(`may ${entry.react ? '' : 'not '}react to ${event}`);
  if (Array.isArray(entry.react)) lines.push(`may react to ${event} with ${entry.react.join(' ') || 'nothing'}`);
  return lines;
}

function storageLines(key: string, entry: Entry): readonly string[] {
  const words = (allowed: boolean): string =>
    ['get', 'set', 'observe'].filter((directive) => entry[directive] === allowed).join(', ');
  const kept = typeof entry.store === 'number' && entry.set === true ? `, stored ${storeTime(entry.store)}` : '';
  return [
    ...(words(true) === '' ? [] : [`may ${words(true)} storage ${key}${kept}`]),
    ...(words(false) === '' ? [] : [`may not ${words(false)} storage ${key}`]),
  ];
}

/** A decision in one line for a person. */
export function decisionLine(decision: Decision): string {
  const { channel, subscribe, autoSubscribe, historyStart, getInfo, event, publish, echo, store } = decision;
  const parts = [`subscribe ${subscribe ? 'yes' : 'no'}${autoSubscribe ? ', by connecting' : ''}`];
  if (historyStart !== undefined) parts.push(`history ${historyStart === 0 ? 'all' : `from ${instant(historyStart)}`}`);
  else parts.push(subscribe ? 'history from the subscription on' : 'history none');
  parts.push(`info ${getInfo ? 'yes' : 'no'}`);
  if (event !== undefined && publish !== undefined) {
    const more = publish === 'no' ? '' : `${echo ? ', copy to itself' : ''}, stored ${storeTime(store ?? 0)}`;
    parts.push(`publish ${event} ${publish}${more}`);
  }
  return `  On ${channel}: ${parts.join('; ')}`;
}

function storeTime(seconds: number): string {
  if (seconds === 0) return 'not at all';
  return seconds === -1 ? 'for ever' : `for ${duration(seconds)}`;
}

/** The entries of `channels`, `messages` or `storage`; `null` is an absent one. */
function entriesOf(value: unknown): readonly (readonly [string, Entry])[] {
  return Object.entries((value ?? {}) as Record<string, Entry | null>).flatMap(([name, entry]) =>
    entry === null ? [] : [[name, entry] as const],
  );
}
