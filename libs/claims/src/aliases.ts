import type { Claims } from './claims';

/** What a client-sent channel name is resolved against. */
export interface AliasScope {
  readonly connect: Claims;
  /** The subscribe token supplied with this operation, if any. */
  readonly subscribe?: Claims;
  /** Aliases stored on this connection's active subscriptions, to the real name. */
  readonly activeAliases: ReadonlyMap<string, string>;
  /** Whether this connection is subscribed to that real name. */
  isSubscribed(name: string): boolean;
}

/**
 * The real channel that a client-sent name stands for (tokens-and-claims §6). A real name always comes first, so that
 * an alias can never hide a channel that the claims name.
 */
export function resolveChannel(name: string, scope: AliasScope): string {
  const { connect, subscribe, activeAliases } = scope;
  if (subscribe?.channels.exact.has(name) || connect.channels.exact.has(name) || scope.isSubscribed(name)) return name;
  return subscribe?.aliases.get(name) ?? activeAliases.get(name) ?? connect.aliases.get(name) ?? name;
}

/** The alias that a new subscription to `channel` stores: the subscribe token's, else the connect token's. */
export function aliasOf(channel: string, connect: Claims, subscribe?: Claims): string | undefined {
  return subscribe?.channels.exact.get(channel)?.alias ?? connect.channels.exact.get(channel)?.alias;
}
