import { claimsFrom, type ClaimFlags, type ClaimsObject } from './claims-from-flags';
import { UsageError } from './failure';

const NOW = 1_800_000_000;
const DEFAULTS = { scope: 'connect', exp: NOW + 7_200 };

function claims(flags: Partial<ClaimFlags>, base: ClaimsObject = {}): ClaimsObject {
  return claimsFrom(flags, base, NOW, () => 'a-new-id');
}

describe('the claims of a token', () => {
  it.each<[string, Partial<ClaimFlags>, ClaimsObject, ClaimsObject]>([
    ['end in two hours and connect when nothing is said', {}, {}, DEFAULTS],
    ['end when --ttl says', { ttl: 60 }, { exp: 5 }, { ...DEFAULTS, exp: NOW + 60 }],
    ['end when the file says', {}, { exp: 5 }, { ...DEFAULTS, exp: 5 }],
    ['have the scope of the file', {}, { scope: 'umd' }, { ...DEFAULTS, scope: 'umd' }],
    [
      'have the scope of the flag rather',
      { scope: 'subscribe' },
      { scope: 'umd' },
      { ...DEFAULTS, scope: 'subscribe' },
    ],
    [
      'keep what no flag is for',
      { uid: 'u2' },
      { uid: 'u1', umd: [1], custom: true },
      { ...DEFAULTS, uid: 'u2', umd: [1], custom: true },
    ],
    ['keep an empty uid, null and false', { uid: '', umd: null }, {}, { ...DEFAULTS, uid: '', umd: null }],
    [
      'have every top-level flag',
      {
        aud: 'a',
        iss: 'i',
        jti: 'j',
        singleUse: true,
        connectionId: 'c',
        keepAlive: true,
        closeAtExp: false,
        heartbeatTimeout: 5,
      },
      {},
      {
        ...DEFAULTS,
        ...{
          aud: 'a',
          iss: 'i',
          jti: 'j',
          singleUse: true,
          connectionId: 'c',
          keepAlive: true,
          closeAtExp: false,
          heartbeatTimeout: 5,
        },
      },
    ],
    ['get a jti for a single use', { singleUse: true }, {}, { ...DEFAULTS, singleUse: true, jti: 'a-new-id' }],
    ['keep the jti of the file', { singleUse: true }, { jti: 'j' }, { ...DEFAULTS, singleUse: true, jti: 'j' }],
    [
      'allow to subscribe to a channel of which nothing else is said',
      { channel: ['a', 'b.*'] },
      {},
      { ...DEFAULTS, channels: { a: { subscribe: true }, 'b.*': { subscribe: true } } },
    ],
    [
      'allow only what the flags say, on every channel',
      { channel: ['a', 'b'], history: 0, getInfo: true, autoSubscribe: true },
      {},
      {
        ...DEFAULTS,
        channels: {
          a: { autoSubscribe: true, historyStart: 0, getInfo: true },
          b: { autoSubscribe: true, historyStart: 0, getInfo: true },
        },
      },
    ],
    [
      'allow to publish events, with their directives',
      { channel: ['a'], publish: ['chat', 'x.*'], broadcast: ['x.*', 'y'], echo: true, store: -1 },
      {},
      {
        ...DEFAULTS,
        channels: {
          a: {
            messages: {
              chat: { publish: true, echo: true, store: -1 },
              'x.*': { publish: true, broadcast: true, echo: true, store: -1 },
              y: { broadcast: true, echo: true, store: -1 },
            },
          },
        },
      },
    ],
    [
      'add to the channels of the file',
      { channel: ['a'], subscribe: true, publish: ['chat'] },
      { channels: { a: { alias: 'x', messages: { chat: { store: 5 }, other: { publish: false } } }, b: {} } },
      {
        ...DEFAULTS,
        channels: {
          a: {
            alias: 'x',
            subscribe: true,
            messages: { chat: { store: 5, publish: true }, other: { publish: false } },
          },
          b: {},
        },
      },
    ],
  ])('%s', (_, flags, base, expected) => {
    expect(claims(flags, base)).toEqual(expected);
  });

  it.each<[string, Partial<ClaimFlags>, string]>([
    ['a permission without a channel', { subscribe: true }, '--channel is needed'],
    ['an event without a channel', { publish: ['chat'] }, '--channel is needed'],
    ['--echo without an event', { channel: ['a'], echo: true }, '--echo and --store need --publish or --broadcast'],
    ['--store without an event', { channel: ['a'], store: 0 }, '--echo and --store need --publish or --broadcast'],
  ])('cannot be made of %s', (_, flags, problem) => {
    expect(() => claims(flags)).toThrow(UsageError);
    expect(() => claims(flags)).toThrow(problem);
  });
});
