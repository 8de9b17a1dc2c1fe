import { BlockList } from 'node:net';
import { parseRate, type RateLimit } from '@hearth/limits';
import { z } from 'zod';
import { readBy, SINGLE_SERVICES, variable } from './variable';
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
function cap(highest = 1_000_000_000): Kind<number> {
  const { schema } = integer(0, highest);
  return {
    schema: schema.transform((most) => (most === 0 ? Infinity : most)),
    allowed: `a whole number from 0 to ${highest}; 0 for no limit`,
  };
}

/** 1 TiB. */
const TEBIBYTE = 1_099_511_627_776;

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
    limitChannelStorageKeys: capOf(
      'HEARTH_LIMIT_CHANNEL_STORAGE_KEYS',
      '10000',
      'Storage keys of a channel, for clients; what backends write counts, but passes.',
    ),
    limitChannelSchedules: capOf(
      'HEARTH_LIMIT_CHANNEL_SCHEDULES',
      '10000',
      'Messages and writes of a channel that are due later, for clients; those of backends count, but pass.',
    ),
    limitMessageReactions: capOf(
      'HEARTH_LIMIT_MESSAGE_REACTIONS',
      '50',
      'Different reactions of one user to one message, for clients.',
    ),
    limitUidConnections: capOf(
      'HEARTH_LIMIT_UID_CONNECTIONS',
      '1000',
      'Connections of one `uid`, of all gateways together.',
    ),
    limitUidHandshakes: rateOf(
      'HEARTH_LIMIT_UID_HANDSHAKES',
      '20,1000',
      'Valid connect tokens of one `uid`, for each gateway.',
    ),
    limitAddressConnections: capOf(
      'HEARTH_LIMIT_ADDRESS_CONNECTIONS',
      '10000',
      'Connections of one address (an IPv4 address or an IPv6 /64), for each gateway.',
    ),
    limitAddressHandshakes: rateOf(
      'HEARTH_LIMIT_ADDRESS_HANDSHAKES',
      '200,5000',
      'WebSocket upgrades, opened Socket.IO sessions and their CONNECTs of one address, for each gateway.',
    ),
    limitClaims: variable('HEARTH_LIMIT_CLAIMS', choice('any', 'narrow', 'ignore'), 'any', {
      meaning: 'Whether the claim `limits` of a connect token may widen these limits, only narrow them, or is ignored.',
    }),
  }),
  ...readBy(['sequencer'], {
    limitChannelMembers: capOf(
      'HEARTH_LIMIT_CHANNEL_MEMBERS',
      '5000',
      'Members of a presence channel; more are refused with `PRESENCE_CHANNEL_CAPACITY_REACHED`.',
    ),
  }),
  ...readBy(['publish-api'], {
    limitApiKeyMessages: rateOf(
      'HEARTH_LIMIT_API_KEY_MESSAGES',
      '50000,100000',
      'Message documents of one API key, of all processes together.',
    ),
    limitAwsKeyMessages: rateOf(
      'HEARTH_LIMIT_AWS_KEY_MESSAGES',
      '50000,100000',
      'Message documents of one AWS access key, of all processes together.',
    ),
    limitApiKeyRequests: rateOf(
      'HEARTH_LIMIT_API_KEY_REQUESTS',
      '500,5000',
      'Other calls of an API key or the admin token, for each process.',
    ),
  }),
  ...readBy(SINGLE_SERVICES, {
    limitBacklogBytes: variable('HEARTH_LIMIT_BACKLOG_BYTES', cap(TEBIBYTE), '536870912', {
      meaning:
        'What waits for all connections of a process together, in memory; past that those are closed for whom most waits.',
    }),
    limitAddressSockets: capOf(
      'HEARTH_LIMIT_ADDRESS_SOCKETS',
      '20000',
      'TCP connections of one address to a process, whatever they are for; more are closed at once. Those of trusted proxies are not counted.',
    ),
    limitAddressRequests: rateOf(
      'HEARTH_LIMIT_ADDRESS_REQUESTS',
      '50,1000',
      'HTTP requests of one address to a process that show no good credential; more wait for their turn, 10 s at most, or get `429`.',
    ),
    limitAddressRefusals: rateOf(
      'HEARTH_LIMIT_ADDRESS_REFUSALS',
      '20,500',
      'Wrong credentials of one address, at any door of a process; past that they are not looked at.',
    ),
    limitAddressExempt: variable('HEARTH_LIMIT_ADDRESS_EXEMPT', exempt(), 'private', {
      meaning:
        'Addresses without limits. `private` are loopback, RFC 1918, 100.64.0.0/10, link-local and unique local ones: behind a proxy that is missing in `HEARTH_TRUSTED_PROXIES` all clients have its address.',
    }),
  }),
};
