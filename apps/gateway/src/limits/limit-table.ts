import type { ClaimedLimits, ClaimedRate } from '@hearth/claims';
import { type ConnectionLimits, narrower, RATE_NAMES, type RateLimit, rateOf } from '@hearth/limits';
import type { HearthConfig } from '@hearth/config';

export type LimitSettings = Pick<
  HearthConfig,
  | 'limitConnectionPublish'
  | 'limitConnectionSubscribe'
  | 'limitConnectionPresence'
  | 'limitConnectionStorage'
  | 'limitConnectionReaction'
  | 'limitConnectionHistory'
  | 'limitConnectionFrames'
  | 'limitConnectionBytes'
  | 'limitConnectionStrikes'
  | 'limitConnectionSubscriptions'
  | 'limitUidConnections'
>;

/** What is set for a connection whose token says nothing else. */
export function limitsAsSet(config: LimitSettings): ConnectionLimits {
  return {
    rates: {
      publish: config.limitConnectionPublish,
      subscribe: config.limitConnectionSubscribe,
      presence: config.limitConnectionPresence,
      storage: config.limitConnectionStorage,
      reaction: config.limitConnectionReaction,
      history: config.limitConnectionHistory,
      frames: config.limitConnectionFrames,
      bytes: config.limitConnectionBytes,
      strikes: config.limitConnectionStrikes,
    },
    subscriptions: config.limitConnectionSubscriptions,
    uidConnections: config.limitUidConnections,
  };
}

/** What is set, as the claim `limits` changes it (limits §4). */
export function limitsAsClaimed(
  set: ConnectionLimits,
  claimed: ClaimedLimits,
  mode: 'any' | 'narrow',
): ConnectionLimits {
  const rates: Record<string, RateLimit> = { ...set.rates };
  for (const name of RATE_NAMES) {
    const claim = claimed.rates.get(name);
    if (claim !== undefined) rates[name] = mode === 'any' ? limitOf(claim) : narrower(set.rates[name], limitOf(claim));
  }
  const cap = (name: 'subscriptions' | 'uidConnections'): number => {
    const claim = claimed.caps.get(name);
    const most = claim === -1 ? Infinity : (claim ?? set[name]);
    return mode === 'any' ? most : Math.min(most, set[name]);
  };
  return {
    rates: rates as ConnectionLimits['rates'],
    subscriptions: cap('subscriptions'),
    uidConnections: cap('uidConnections'),
  };
}

function limitOf(claim: ClaimedRate): RateLimit {
  const [perSecond, burst] = typeof claim === 'number' ? [claim] : claim;
  return perSecond === -1 ? 'unlimited' : (rateOf(perSecond, burst) ?? 'none');
}
