import {
  aliasOf,
  AliasScope,
  checkConnectionBinding,
  Claims,
  Grants,
  resolveChannel,
  subscriptionIdentity,
  TokenError,
  type WorkWatch,
} from '@hearth/claims';
import { checkedChannel, Identity, isPresenceChannel, ProtocolError } from '@hearth/protocol';
import type { Introduction } from '@hearth/wire';
import { AllowedSubscription, Subscription } from './subscription';
import { Tokens } from './tokens';

/** What decides about a client's requests: who it is and what it holds. */
export interface Requester extends AliasScope, WorkWatch {
  readonly id: string;
  readonly identity: Identity;
  /** Grants of the connect token. */
  readonly grants: Grants;
  /** Goes with whatever leads to an event of it. */
  readonly introduction: readonly Introduction[] | undefined;
  subscription(channel: string): Subscription | undefined;
}

/**
 * The real channel that a client means (tokens-and-claims §6).
 *
 * @param token the subscribe token that came with the request
 * @throws ProtocolError `INVALID_CHANNEL`
 */
export function realChannel(name: string, requester: Requester, token?: Claims): string {
  return checkedChannel(resolveChannel(name, token === undefined ? requester : withToken(requester, token)));
}

function withToken(requester: Requester, subscribe: Claims): AliasScope {
  return {
    connect: requester.connect,
    subscribe,
    activeAliases: requester.activeAliases,
    isSubscribed: (channel) => requester.isSubscribed(channel),
  };
}

/**
 * Whether and how the requester may subscribe. Single-use tokens are not used up here, because it may still fail.
 *
 * @param name as the client sent it
 * @param token the subscribe token's claims, from `subscribeToken`
 * @throws ProtocolError
 */
export function allowSubscription(name: string, requester: Requester, token: Claims | undefined): AllowedSubscription {
  const channel = realChannel(name, requester, token);
  if (requester.isSubscribed(channel)) {
    throw new ProtocolError('ALREADY_SUBSCRIBED', `channel: this connection is already subscribed to ${channel}`);
  }
  const grants = token === undefined ? requester.grants : new Grants(requester.connect, token, requester);
  if (!grants.canSubscribe(channel)) {
    throw new ProtocolError('SUBSCRIBE_PERMISSION_DENIED', `channel: subscribing to ${channel} is not granted`);
  }
  const identity = token === undefined ? requester.identity : subscriptionIdentity(requester.identity, token);
  if (isPresenceChannel(channel) && identity.uid === null) {
    throw new ProtocolError('PRESENCE_CHANNEL_USER_ID_REQUIRED', `channel: ${channel} needs a token with a uid`);
  }
  return { channel, terms: { alias: aliasOf(channel, requester.connect, token), identity, grants, token } };
}

/**
 * The claims of a subscribe token that this connection may use.
 *
 * @throws ProtocolError `INVALID_SUBSCRIBE_TOKEN`, whatever is wrong with it
 */
export async function subscribeToken(token: string, requester: Requester, tokens: Tokens): Promise<Claims> {
  try {
    const claims = await tokens.verify(token, 'subscribe', requester);
    checkConnectionBinding(claims, { connectionId: requester.id, uid: requester.identity.uid });
    return claims;
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    throw new ProtocolError('INVALID_SUBSCRIBE_TOKEN', `data.token: ${error.message}`);
  }
}

/**
 * Whether something may be scheduled for an instant (tokens-and-claims §4.3, §4.4).
 *
 * @param scheduleBefore the claim: the latest allowed instant, Unix seconds
 */
export function maySchedule(dueMs: number, scheduleBefore: number | undefined): boolean {
  return scheduleBefore !== undefined && dueMs <= scheduleBefore * 1_000;
}

/** What a connection may do in a channel: as its subscription says, or its connect token where there is none. */
export function grantsIn(channel: string, requester: Requester): Grants {
  return requester.subscription(channel)?.grants ?? requester.grants;
}

/** @throws ProtocolError `NOT_SUBSCRIBED` */
export function requireSubscription(channel: string, requester: Requester): Subscription {
  const subscription = requester.subscription(channel);
  if (subscription !== undefined) return subscription;
  throw new ProtocolError('NOT_SUBSCRIBED', `channel: this connection is not subscribed to ${channel}`);
}

/** Oldest instant that `historyStart` makes visible, ms since 1970; `undefined` without it. */
export function historyStartMs(channel: string, grants: Grants): number | undefined {
  const historyStart = grants.historyStart(channel);
  return historyStart === undefined ? undefined : Math.max(0, Math.ceil(historyStart * 1_000));
}

/**
 * Oldest instant of a channel's history that the requester may see, ms since 1970 (client-http-api §3.1).
 *
 * @param channel real name
 * @throws ProtocolError `NOT_SUBSCRIBED`
 */
export function visibleSinceMs(channel: string, requester: Requester): number {
  const granted = historyStartMs(channel, grantsIn(channel, requester));
  if (granted !== undefined && !requester.isSubscribed(channel)) return granted;
  return Math.min(granted ?? Infinity, requireSubscription(channel, requester).subscribedAtMs);
}

/** @throws ProtocolError `GET_INFO_PERMISSION_DENIED` unless the requester may see who is subscribed to a channel */
export function requireGetInfo(channel: string, requester: Requester): void {
  if (grantsIn(channel, requester).getInfo(channel)) return;
  throw new ProtocolError('GET_INFO_PERMISSION_DENIED', `channel: information about ${channel} is not granted`);
}
