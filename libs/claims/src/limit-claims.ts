import { claim, ClaimPath, type JsonObject, objectClaim, refuse } from './claim-values';

/** A rate: tokens a second, and the most that can be saved up; 0 = none, -1 = no limit. */
export type ClaimedRate = number | readonly [perSecond: number, burst: number];

const RATES = ['publish', 'subscribe', 'presence', 'storage', 'reaction', 'history', 'frames', 'bytes', 'strikes'];
const CAPS = ['subscriptions', 'uidConnections'];
/** As much as a setting can say. */
const MOST = 1e12;

/** The claim `limits` of a connect token (limits §4): what this connection may do instead of what is set. */
export interface ClaimedLimits {
  /** By the name of the rate. */
  readonly rates: ReadonlyMap<string, ClaimedRate>;
  /** By the name of the cap; -1 = no limit. */
  readonly caps: ReadonlyMap<string, number>;
}

/** Unknown keys are ignored; a wrong value refuses the token. */
export function parseLimits(payload: JsonObject): ClaimedLimits | undefined {
  const limits = objectClaim(payload, 'limits', ClaimPath.root);
  if (limits === undefined) return undefined;
  const path = ClaimPath.root.member('limits');
  return {
    rates: members(limits, RATES, (value, name) => rateClaim(value, path.member(name))),
    caps: members(limits, CAPS, (value, name) => capClaim(value, path.member(name))),
  };
}

function members<T>(
  limits: JsonObject,
  names: readonly string[],
  read: (value: unknown, name: string) => T,
): ReadonlyMap<string, T> {
  const given = names.filter((name) => claim(limits, name) !== undefined);
  return new Map(given.map((name) => [name, read(limits[name], name)]));
}

function rateClaim(value: unknown, path: ClaimPath): ClaimedRate {
  if (value === -1) return value;
  if (isAmount(value)) return clamped(value);
  if (Array.isArray(value) && value.length === 2) {
    const [perSecond, burst] = value as readonly unknown[];
    // Without any rate it would be used up for ever, which 0 says by itself.
    const isRate = isAmount(perSecond) && isAmount(burst) && Number.isInteger(burst);
    if (isRate && (perSecond === 0) === (burst === 0)) return [clamped(perSecond), clamped(burst)];
  }
  return refuse(path, 'must be a number of 0 or more, -1, or an array of a rate and a whole burst');
}

function capClaim(value: unknown, path: ClaimPath): number {
  if (value === -1) return value;
  if (isAmount(value) && Number.isInteger(value)) return clamped(value);
  return refuse(path, 'must be a whole number of 0 or more, or -1');
}

function isAmount(value: unknown): value is number {
  return Number.isFinite(value) && (value as number) >= 0;
}

/** A backend may well write the greatest number that there is. */
function clamped(amount: number): number {
  return Math.min(amount, MOST);
}
