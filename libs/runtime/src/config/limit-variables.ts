import { BlockList } from 'node:net';
import { parseRate, type RateLimit } from '@hearth/limits';
import { z } from 'zod';
import { readBy, variable } from './variable';
import { blockList, choice, integer, isCidr, type Kind } from './variable-kinds';

/** A rate (limits §1). */
function rate(): Kind<RateLimit> {
  return {
    schema: z.string().transform((value, context) => {
      const limit = parseRate(value);
      if (limit !== undefined) return limit;
      context.addIssue('no rate');
      return z.NEVER;
    }),
    allowed: 'rate or rate,burst: numbers greater than 0, the burst a whole one; 0 for no limit',
  };
}

/** A cap; Infinity for 0, which is no limit. */
function cap(): Kind<number> {
  const { schema } = integer(0, 1_000_000_000);
  return {
    schema: schema.transform((most) => (most === 0 ? Infinity : most)),
    allowed: 'a whole number from 0 to 1000000000; 0 for no limit',
  };
}

/** Loopback, RFC 1918, shared (RFC 6598), link-local, unique local (limits §2). */
const PRIVATE = [
  '127.0.0.0/8',
  '::1',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fe80::/10',
  'fc00::/7',
];

function exempt(): Kind<BlockList> {
  return {
    schema: z.string().transform((value, context) => {
      const ranges = value.split(',').map((range) => range.trim());
      if (value.toLowerCase() === 'none') return new BlockList();
      if (ranges.every((range) => range.toLowerCase() === 'private' || isCidr(range))) {
        return blockList(ranges.flatMap((range) => (range.toLowerCase() === 'private' ? PRIVATE : [range])));
      }
      context.addIssue('no ranges');
      return z.NEVER;
    }),
    allowed: 'a comma-separated list of CIDR ranges and the word private, or none',
  };
}

const rateOf = <const Name extends string>(name: Name, fallback: string, meaning: string) =>
  variable(name, rate(), fallback, { meaning });
const capOf = <const Name extends string>(name: Name, fallback: string, meaning: string) =>
  variable(name, cap(), fallback, { meaning });

/** Limits (limits §2): what one connection, user, address, key or channel may cost. */
export const LIMIT_VARIABLES = {
  ...readBy(['gateway'], {
    limitConnectionPublish: rateOf(
      'HEARTH_LIMIT_CONNECTION_PUBLISH',
      '100,1000',
      'Messages of a connection, scheduled ones too.',
    ),
    limitConnectionSubscribe: rateOf(
      'HEARTH_LIMIT_CONNECTION_SUBSCRIBE',
      '50,2000',
      'Its subscribes and unsubscribes; `autoSubscribe` does not count.',
    ),
    limitConnectionPresence: rateOf(
      'HEARTH_LIMIT_CONNECTION_PRESENCE',
      '20,200',
      'Its joins and leaves of `presence.*`, changes of user metadata, and questions about channels.',
    ),
    limitConnectionStorage: rateOf(
      'HEARTH_LIMIT_CONNECTION_STORAGE',
      '50,500',
      'Its reads and writes of channel storage.',
    ),
    limitConnectionReaction: rateOf('HEARTH_LIMIT_CONNECTION_REACTION', '10,100', 'Its reactions.'),
    limitConnectionHistory: rateOf(
      'HEARTH_LIMIT_CONNECTION_HISTORY',
      '20,200',
      'Its `listMessages` and `listReactions`, and subscribes that resume.',
    ),
    limitConnectionFrames: rateOf(
      'HEARTH_LIMIT_CONNECTION_FRAMES',
      '300,5000',
      'Everything that it sends: messages, pings, pongs, HTTP calls.',
    ),
    limitConnectionBytes: rateOf(
      'HEARTH_LIMIT_CONNECTION_BYTES',
      '1048576,8388608',
      'Bytes that are read from it, and 16 more for each frame.',
    ),
    limitConnectionStrikes: rateOf(
      'HEARTH_LIMIT_CONNECTION_STRIKES',
      '50,1000',
      'Its requests that are answered `RATE_LIMITED`; past that it is closed with 4429.',
    ),
    limitConnectionSubscriptions: capOf(
      'HEARTH_LIMIT_CONNECTION_SUBSCRIPTIONS',
      '2000',
      'Subscriptions of a connection.',
    ),
    limitClaims: variable('HEARTH_LIMIT_CLAIMS', choice('any', 'narrow', 'ignore'), 'any', {
      meaning: 'Whether the claim `limits` of a connect token may widen these limits, only narrow them, or is ignored.',
    }),
  }),
};
