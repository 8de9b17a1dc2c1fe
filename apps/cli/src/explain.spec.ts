import { compiled, NOW, NOW_MS, SETTINGS, signHs256 } from '../../../libs/claims/src/testing/signed-tokens';
import { checkToken } from './check-token';
import { acceptedLines, channelLines, decide, decisionLine, explanation } from './explain';

async function accepted(claims: object, header?: object) {
  const verdict = await checkToken(
    signHs256({ exp: NOW + 90, scope: 'connect', ...claims }, header),
    undefined,
    SETTINGS,
    NOW_MS,
  );
  if (!verdict.valid) throw verdict.error;
  return verdict;
}

describe('an accepted token', () => {
  it('is explained in a few lines', async () => {
    const channels = { a: { subscribe: true }, 'b.*': { subscribe: false } };
    expect(acceptedLines(await accepted({ uid: 'u1', umd: { n: 1 }, channels }, { kid: 'k' }), NOW_MS)).toEqual([
      'Valid: Hearth accepts this token to connect.',
      '  expires   2026-01-01T00:01:30Z, in 1 minute 30 seconds',
      '  scope     connect',
      '  uid       u1',
      '  umd       {"n":1}',
      '  signed    HS256, kid k',
      '  channels',
      '    a',
      '      may subscribe',
      '    b.*',
      '      may not subscribe',
      '  "may not" wins wherever several of these apply.',
    ]);
  });

  it('is explained with everything that is special about it', async () => {
    const claims = {
      scope: 'subscribe umd',
      connectionId: 'c1',
      ...{
        singleUse: true,
        jti: 'j',
        keepAlive: true,
        closeAtExp: true,
        heartbeatTimeout: 30,
        umdUpdate: true,
        umdPropagate: true,
      },
    };
    expect(acceptedLines(await accepted(claims), NOW_MS)).toEqual([
      'Valid: Hearth accepts this token to subscribe.',
      '  expires   2026-01-01T00:01:30Z, in 1 minute 30 seconds',
      '  scope     subscribe umd',
      '  uid       none',
      '  signed    HS256',
      '  only for  connection c1',
      '  used      once at most (jti j); only the gateways know whether it has been',
      '  keepAlive the connection stays open while nothing is said',
      '  at exp    the connection is closed, whatever is configured',
      '  heartbeat at least every 30 seconds',
      '  umdUpdate of the connection and its subscriptions',
      '  channels  none',
    ]);
  });

  it('is explained as JSON', async () => {
    const channels = { a: { subscribe: true, custom: 1 } };
    expect(explanation(await accepted({ uid: 'u1', channels }, { kid: 'k' }), NOW_MS)).toEqual({
      valid: true,
      use: 'connect',
      algorithm: 'HS256',
      kid: 'k',
      scope: ['connect'],
      uid: 'u1',
      expiresAt: '2026-01-01T00:01:30Z',
      expiresInSeconds: 90,
      singleUse: false,
      keepAlive: false,
      umdUpdate: false,
      umdPropagate: false,
      channels,
    });
  });
});

describe('an entry for a channel', () => {
  it.each<[object, string[]]>([
    [{}, ['nothing']],
    [
      { subscribe: true, autoSubscribe: true, alias: 'x' },
      ['may subscribe', 'is subscribed by connecting', 'is also called x'],
    ],
    [{ historyStart: 0 }, ['may look back to everything']],
    [{ historyStart: NOW }, ['may look back to 2026-01-01T00:00:00Z']],
    [
      { getInfo: true, umdUpdate: false },
      ['may ask for the number of subscribers', 'may not change user metadata here'],
    ],
    [{ omitFromSubCount: true }, ['is not counted as a subscriber']],
    [{ messages: { e: {} } }, ['nothing']],
    [{ messages: { e: { publish: true } } }, ['may publish e while subscribed']],
    [
      { messages: { e: { broadcast: true, echo: true, store: -1, emitPubSubEvent: true, scheduleBefore: NOW } } },
      [
        'may publish e without a subscription, with a copy to itself, stored for ever, with a backend event, ' +
          'scheduled until 2026-01-01T00:00:00Z',
      ],
    ],
    [{ messages: { e: { publish: false, broadcast: true } } }, ['may not publish e']],
    [
      { messages: { e: { publish: true, broadcast: false, store: 60 } } },
      ['may publish e while subscribed, stored for 1 minute', 'may not publish e without a subscription'],
    ],
    [
      { messages: { a: { react: true }, b: { react: false }, c: { react: ['👍', 'x'] }, d: { react: [] } } },
      ['may react to a', 'may not react to b', 'may react to c with 👍 x', 'may react to d with nothing'],
    ],
    [
      { storage: { k: { get: true, set: true, store: 3_600 }, l: { observe: true, set: false }, m: null } },
      ['may get, set storage k, stored for 1 hour', 'may observe storage l', 'may not set storage l'],
    ],
  ])('%j', (entry, lines) => {
    expect(channelLines(entry as Record<string, unknown>)).toEqual(lines);
  });
});

describe('the decision about a channel', () => {
  const channels = {
    'chat.*': {
      subscribe: true,
      messages: { '*': { publish: true, store: 60 }, cry: { broadcast: true, echo: true } },
    },
    'chat.admin': { subscribe: false },
    log: { autoSubscribe: true, historyStart: 0, getInfo: true },
    own: { subscribe: true, historyStart: NOW },
  };

  it.each<[string, string | undefined, string]>([
    ['chat.1', undefined, 'subscribe yes; history from the subscription on; info no'],
    [
      'chat.1',
      'hello',
      'subscribe yes; history from the subscription on; info no; publish hello while subscribed, stored for 1 minute',
    ],
    [
      'chat.1',
      'cry',
      'subscribe yes; history from the subscription on; info no; publish cry yes, copy to itself, stored for 1 minute',
    ],
    ['chat.admin', undefined, 'subscribe no; history none; info no'],
    ['log', 'hello', 'subscribe yes, by connecting; history all; info yes; publish hello no'],
    ['own', undefined, 'subscribe yes; history from 2026-01-01T00:00:00Z; info no'],
    ['other', undefined, 'subscribe no; history none; info no'],
  ])('%s %s', async (channel, event, expected) => {
    const decision = decide(await compiled({ channels }), channel, event);
    expect(decisionLine(decision)).toBe(`  On ${channel}: ${expected}`);
  });
});
