import { channelNameProblem, eventNameProblem, storageKeyProblem } from '@hearth/protocol';
import {
  booleanClaim,
  claim,
  type ClaimPath,
  dateClaim,
  isArrayOfStrings,
  type JsonObject,
  refuse,
  storeClaim,
  stringClaim,
} from './claim-values';
import { compileEntries, type EntryReader, type EntryTable, RegexBudget } from './entry-table';
import type { TokenWork } from './token-work';

/** Directives of one key of `channels` (§4.2), of `messages` (§4.3), of `storage` (§4.4). One that is absent is `undefined`. */
export type ChannelEntry = Readonly<ReturnType<typeof readChannel>>;
export type MessageEntry = Readonly<ReturnType<typeof readMessage>>;
export type StorageEntry = Readonly<ReturnType<typeof readStorage>>;

/** Compiles the claim `channels` (tokens-and-claims §4). */
export function parseChannels(payload: JsonObject, root: ClaimPath, work: TokenWork): EntryTable<ChannelEntry> {
  const budget = new RegexBudget(work);
  const inner: InnerReaders = {
    messages: {
      budget,
      nameProblem: eventNameProblem,
      readEntry: (message, _isPattern, path) => readMessage(message, path),
    },
    storage: { budget, nameProblem: storageKeyProblem, readEntry: (key, _isPattern, path) => readStorage(key, path) },
  };
  return compileEntries(payload, 'channels', root, {
    budget,
    nameProblem: channelNameProblem,
    readEntry: (entry, isPattern, path) => readChannel(entry, isPattern, path, inner),
  });
}

/** Of what a channel holds; one for all channels of a token. */
interface InnerReaders {
  readonly messages: EntryReader<MessageEntry>;
  readonly storage: EntryReader<StorageEntry>;
}

function readChannel(entry: JsonObject, isPattern: boolean, path: ClaimPath, inner: InnerReaders) {
  return {
    subscribe: booleanClaim(entry, 'subscribe', path),
    autoSubscribe: exactOnly('autoSubscribe', booleanClaim(entry, 'autoSubscribe', path), isPattern, path),
    alias: readAlias(entry, isPattern, path),
    historyStart: dateClaim(entry, 'historyStart', path),
    omitFromSubCount: booleanClaim(entry, 'omitFromSubCount', path),
    getInfo: booleanClaim(entry, 'getInfo', path),
    umdUpdate: booleanClaim(entry, 'umdUpdate', path),
    messages: compileEntries(entry, 'messages', path, inner.messages),
    storage: compileEntries(entry, 'storage', path, inner.storage),
  };
}

/** A directive that names one channel makes no sense for all channels a pattern matches. */
function exactOnly<T>(name: string, value: T | undefined, isPattern: boolean, path: ClaimPath): T | undefined {
  if (value !== undefined && isPattern) refuse(path.member(name), 'is not allowed on a pattern');
  return value;
}

function readAlias(entry: JsonObject, isPattern: boolean, path: ClaimPath): string | undefined {
  const alias = exactOnly('alias', stringClaim(entry, 'alias', path), isPattern, path);
  const problem = alias === undefined ? undefined : channelNameProblem(alias);
  if (problem !== undefined) refuse(path.member('alias'), `must be a valid channel name: ${problem}`);
  return alias;
}

function readMessage(entry: JsonObject, path: ClaimPath) {
  return {
    publish: booleanClaim(entry, 'publish', path),
    broadcast: booleanClaim(entry, 'broadcast', path),
    echo: booleanClaim(entry, 'echo', path),
    emitPubSubEvent: booleanClaim(entry, 'emitPubSubEvent', path),
    store: storeClaim(entry, path, 'zero'),
    scheduleBefore: dateClaim(entry, 'scheduleBefore', path),
    react: readReact(entry, path),
  };
}

function readReact(entry: JsonObject, path: ClaimPath): boolean | readonly string[] | undefined {
  const value = claim(entry, 'react');
  if (value === undefined || typeof value === 'boolean' || isArrayOfStrings(value)) return value;
  return refuse(path.member('react'), 'must be a boolean or an array of strings');
}

function readStorage(entry: JsonObject, path: ClaimPath) {
  return {
    observe: booleanClaim(entry, 'observe', path),
    get: booleanClaim(entry, 'get', path),
    set: booleanClaim(entry, 'set', path),
    emitPubSubEvent: booleanClaim(entry, 'emitPubSubEvent', path),
    store: storeClaim(entry, path, 'no zero'),
    scheduleBefore: dateClaim(entry, 'scheduleBefore', path),
  };
}

const NO_ALIASES: ReadonlyMap<string, string> = new Map();

/**
 * Alias to real name of all exact entries (tokens-and-claims §6). An alias that names two channels, or a channel that
 * the token also names, would make a client's request mean whichever the server looks at first.
 */
export function collectAliases(channels: EntryTable<ChannelEntry>, path: ClaimPath): ReadonlyMap<string, string> {
  let aliases: Map<string, string> | undefined;
  for (const [channel, { alias }] of channels.exact) {
    if (alias === undefined) continue;
    const aliasPath = path.entry(channel).member('alias');
    if (channels.exact.has(alias)) refuse(aliasPath, 'must not be a channel of the same token');
    aliases ??= new Map<string, string>();
    if (aliases.has(alias)) refuse(aliasPath, 'must not be the alias of another channel');
    aliases.set(alias, channel);
  }
  return aliases ?? NO_ALIASES;
}
