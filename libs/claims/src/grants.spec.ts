import { autoSubscriptions, Grants, subscriptionIdentity } from './grants';
import { compiled, NOW } from './testing/tokens';

/** Vectors of tokens-and-claims §7 that the claims alone decide; `S1` and so on are their numbers there. */

async function grants(connect: object, subscribe?: object): Promise<Grants> {
  const connectClaims = await compiled({ uid: 'u1', channels: connect });
  if (subscribe === undefined) return new Grants(connectClaims);
  return new Grants(connectClaims, await compiled({ uid: 'u1', channels: subscribe }, 'subscribe'));
}

const yes = { subscribe: true };
const no = { subscribe: false };

function messages(entries: object): object {
  return { a: { messages: entries } };
}

describe('a subscription', () => {
  it.each<[string, object, object | undefined, Record<string, boolean>]>([
    ['S1 is granted by an exact key', { a: yes }, undefined, { a: true, b: false, A: false }],
    [
      'S2 is granted by a wildcard at the end',
      { 'account.123.*': yes },
      undefined,
      { 'account.123.x': true, 'account.123.': true, 'account.1234.x': false },
    ],
    ['S3 is granted by an asterisk alone', { '*': yes }, undefined, { a: true, 'presence.x': true }],
    [
      'S4 is granted by a wildcard in the middle',
      { 'a*z': yes },
      undefined,
      { az: true, 'a.b.z': true, 'a.zz.': false },
    ],
    [
      'S5 is denied by an exact false',
      { 'chat.admin': no, 'chat.*': yes },
      undefined,
      { 'chat.admin': false, 'chat.1': true },
    ],
    [
      'S5 is denied by an exact false written last',
      { 'chat.*': yes, 'chat.admin': no },
      undefined,
      { 'chat.admin': false, 'chat.1': true },
    ],
    [
      'S6 is denied by a pattern although the exact key grants',
      { 'chat.admin': yes, 'chat.*': no },
      undefined,
      { 'chat.admin': false },
    ],
    [
      'S7 is denied by one pattern of two',
      { 'chat.*': yes, '*.admin': no },
      undefined,
      { 'chat.admin': false, 'chat.1': true },
    ],
    [
      'S8 is granted by a regex',
      { '#regex:^org\\.[0-9]+$': yes },
      undefined,
      { 'org.12': true, 'org.a': false, 'xorg.12': false },
    ],
    ['S9 is granted by a regex without anchors', { '#regex:org': yes }, undefined, { 'my.org.x': true }],
    ['S10 is granted by a regex that ignores case', { '#regex:(?i)^chat$': yes }, undefined, { CHAT: true }],
    ['S11 is denied by a regex', { '#regex:^chat\\.': no, 'chat.1': yes }, undefined, { 'chat.1': false }],
    ['S12 is not granted by messages', { a: { messages: { e: { publish: true } } } }, undefined, { a: false }],
    ['S13 is granted by autoSubscribe', { a: { autoSubscribe: true } }, undefined, { a: true, b: false }],
    [
      'S14 is denied by false beside autoSubscribe',
      { a: { autoSubscribe: true, subscribe: false } },
      undefined,
      { a: false },
    ],
    [
      'S14 is denied by a pattern although autoSubscribe is set',
      { a: { autoSubscribe: true }, '*': no },
      undefined,
      { a: false },
    ],
    ['is not granted by autoSubscribe false', { a: { autoSubscribe: false } }, undefined, { a: false }],
    ['S17 is granted by a subscribe token', {}, { b: yes }, { b: true, a: false }],
    ['S22 is granted by the connect token although another token was supplied', { a: yes }, { b: yes }, { a: true }],
    ['S23 is granted by neither token', {}, { b: yes }, { a: false }],
    ['S24 is denied by the connect token although the subscribe token grants', { b: no }, { b: yes }, { b: false }],
    ['is denied by the subscribe token although the connect token grants', { b: yes }, { '*': no }, { b: false }],
    ['S30 is not granted by autoSubscribe in a subscribe token', {}, { a: { autoSubscribe: true } }, { a: false }],
    [
      'is granted for names of object members only by their keys',
      { constructor: yes, __proto__x: yes },
      undefined,
      { constructor: true, toString: false, __proto__: false },
    ],
  ])('%s', async (_, connect, subscribe, expected) => {
    const subject = await grants(connect, subscribe);
    for (const [channel, granted] of Object.entries(expected)) {
      expect([channel, subject.canSubscribe(channel)]).toEqual([channel, granted]);
    }
  });

  it('is granted for a channel named __proto__ by that key', async () => {
    const channels = JSON.parse('{"__proto__":{"subscribe":true,"messages":{"__proto__":{"publish":true}}}}') as object;
    const subject = await grants(channels);
    expect(subject.canSubscribe('__proto__')).toBe(true);
    expect(subject.publishDecision('__proto__', '__proto__', true)).toBe('allow');
    expect(subject.publishDecision('__proto__', 'constructor', true)).toBe('PUBLISH_PERMISSION_DENIED');
  });

  it('S13 is listed for the start of the connection', async () => {
    const claims = await compiled({
      channels: { a: { autoSubscribe: true }, b: { autoSubscribe: true, subscribe: false } },
    });
    expect(autoSubscriptions(claims)).toEqual(['a', 'b']);
  });

  it('S20 speaks as its subscribe token’s uid and umd', async () => {
    const connection = { uid: 'u1', umdJson: '"mine"' };
    expect(subscriptionIdentity(connection)).toEqual(connection);
    const both = await compiled({ connectionId: 'C1', uid: 'u9', umd: { n: 1 } }, 'subscribe');
    expect(subscriptionIdentity(connection, both)).toEqual({ uid: 'u9', umdJson: '{"n":1}' });
    const neither = await compiled({ connectionId: 'C1', uid: '', umd: null }, 'subscribe');
    expect(subscriptionIdentity(connection, neither)).toEqual(connection);
    const falsy = await compiled({ connectionId: 'C1', umd: false }, 'subscribe');
    expect(subscriptionIdentity(connection, falsy)).toEqual({ uid: 'u1', umdJson: 'false' });
  });
});

describe('a publish', () => {
  const allow = 'allow';
  const outside = 'NOT_SUBSCRIBED';
  const denied = 'PUBLISH_PERMISSION_DENIED';

  it.each<[string, object, object | undefined, [channel: string, event: string, subscribed: string, not: string][]]>([
    [
      'P1 with publish needs a subscription',
      messages({ e: { publish: true } }),
      undefined,
      [
        ['a', 'e', allow, outside],
        ['a', 'x', denied, denied],
      ],
    ],
    ['P2 with broadcast needs none', messages({ e: { broadcast: true } }), undefined, [['a', 'e', allow, allow]]],
    [
      'P3 with broadcast false needs a subscription',
      messages({ e: { broadcast: false, publish: true } }),
      undefined,
      [['a', 'e', allow, outside]],
    ],
    [
      'P4 with publish false is denied although broadcast is granted',
      messages({ e: { broadcast: true, publish: false } }),
      undefined,
      [['a', 'e', denied, denied]],
    ],
    [
      'with both needs no subscription',
      messages({ e: { broadcast: true, publish: true } }),
      undefined,
      [['a', 'e', allow, allow]],
    ],
    [
      'with broadcast false alone is denied',
      messages({ e: { broadcast: false } }),
      undefined,
      [['a', 'e', denied, denied]],
    ],
    [
      'P5 is not granted by broadcast in the subscribe token',
      {},
      messages({ e: { broadcast: true } }),
      [['a', 'e', denied, denied]],
    ],
    [
      'is not denied by broadcast false in the subscribe token',
      messages({ e: { broadcast: true } }),
      messages({ e: { broadcast: false } }),
      [['a', 'e', allow, allow]],
    ],
    [
      'is granted by publish in the subscribe token',
      {},
      messages({ e: { publish: true } }),
      [['a', 'e', allow, outside]],
    ],
    [
      'P6 is denied by an exact event',
      messages({ '*': { publish: true }, admin: { publish: false } }),
      undefined,
      [
        ['a', 'x', allow, outside],
        ['a', 'admin', denied, denied],
      ],
    ],
    [
      'P7 is denied by a pattern channel and a pattern event',
      { a: { messages: { e: { publish: true } } }, '*': { messages: { '*': { publish: false } } } },
      undefined,
      [['a', 'e', denied, denied]],
    ],
    [
      'P8 is granted by a regex',
      messages({ '#regex:^action\\.[0-9]+$': { publish: true } }),
      undefined,
      [
        ['a', 'action.7', allow, outside],
        ['a', 'action.x', denied, denied],
      ],
    ],
    [
      'P10 on a channel that may not be subscribed needs the subscription',
      { 'chat.admin': no, 'chat.*': { subscribe: true, messages: { '*': { publish: true } } } },
      undefined,
      [['chat.admin', 'e', allow, outside]],
    ],
    [
      'P11 on such a channel is allowed by broadcast',
      { 'chat.admin': no, 'chat.*': { subscribe: true, messages: { '*': { broadcast: true } } } },
      undefined,
      [['chat.admin', 'e', allow, allow]],
    ],
    [
      'P14 is not granted by directives about what follows',
      messages({ e: { echo: true, emitPubSubEvent: true } }),
      undefined,
      [['a', 'e', denied, denied]],
    ],
    [
      'R5 of a reaction is not granted by publish',
      messages({ 'hotsock.messageReaction': { publish: true } }),
      undefined,
      [['a', 'chat', denied, denied]],
    ],
  ])('%s', async (_, connect, subscribe, expected) => {
    const subject = await grants(connect, subscribe);
    for (const [channel, event, subscribed, notSubscribed] of expected) {
      expect(subject.publishDecision(channel, event, true)).toBe(subscribed);
      expect(subject.publishDecision(channel, event, false)).toBe(notSubscribed);
    }
  });

  it('P12 is stored as the exact event says', async () => {
    const subject = await grants(messages({ '*': { publish: true, store: 86_400 }, typing: { store: 0 } }));
    expect(subject.publishDecision('a', 'typing', true)).toBe('allow');
    expect(subject.messageDirectives('a', 'typing').store).toBe(0);
    expect(subject.messageDirectives('a', 'chat').store).toBe(86_400);
  });

  it('P13 is echoed only with echo', async () => {
    const subject = await grants(messages({ e: { publish: true, echo: true }, f: { publish: true } }));
    expect(subject.messageDirectives('a', 'e').echo).toBe(true);
    expect(subject.messageDirectives('a', 'f').echo).toBe(false);
  });

  it('P13 of a reaction is echoed by a wildcard', async () => {
    const subject = await grants(messages({ '*': { echo: true } }));
    expect(subject.messageDirectives('a', 'hotsock.messageReaction').echo).toBe(true);
  });

  it.each([
    ['absent', {}, undefined],
    ['0', { scheduleBefore: 0 }, 0],
    ['P16 in a minute', { scheduleBefore: NOW + 60 }, NOW + 60],
  ])('P15 carries scheduleBefore %s', async (_, directive, expected) => {
    const subject = await grants(messages({ e: { publish: true, ...directive } }));
    expect(subject.messageDirectives('a', 'e').scheduleBefore).toBe(expected);
  });

  it('has documented defaults', async () => {
    expect((await grants({})).messageDirectives('a', 'e')).toEqual({
      echo: false,
      emitPubSubEvent: false,
      store: 0,
      scheduleBefore: undefined,
    });
  });
});

describe('a value that is not a boolean', () => {
  const store = (seconds: number): object => ({ store: seconds });

  it.each<[string, object, object | undefined, number]>([
    [
      'comes from the exact keys first',
      { a: { messages: { e: store(1), '*': store(9) } }, '*': { messages: { e: store(9), '*': store(9) } } },
      undefined,
      1,
    ],
    [
      'comes next from an exact event under a pattern channel',
      { a: { messages: { '*': store(9) } }, '*': { messages: { e: store(2), '*': store(9) } } },
      undefined,
      2,
    ],
    [
      'comes next from a pattern event under the exact channel',
      { a: { messages: { '*': store(3) } }, '*': { messages: { '*': store(9) } } },
      undefined,
      3,
    ],
    ['comes last from patterns', { '*': { messages: { '*': store(4) } } }, undefined, 4],
    [
      'is the largest of one rank',
      { a: { messages: { '*': store(3), 'e*': store(5), '*e': store(4) } } },
      undefined,
      5,
    ],
    [
      'is -1 rather than any other of one rank',
      { a: { messages: { '*': store(3), 'e*': store(-1), '*e': store(4) } } },
      undefined,
      -1,
    ],
    ['is any number rather than 0 of one rank', { a: { messages: { '*': store(0), 'e*': store(1) } } }, undefined, 1],
    [
      'comes from the subscribe token’s patterns before the connect token’s exact keys',
      { a: { messages: { e: store(9) } } },
      { '*': { messages: { '*': store(1) } } },
      1,
    ],
    [
      'comes from the connect token where the subscribe token has none',
      { a: { messages: { e: store(9) } } },
      { a: { messages: { e: { publish: true } } } },
      9,
    ],
    ['may be 0 in the subscribe token', { a: { messages: { e: store(9) } } }, { a: { messages: { e: store(0) } } }, 0],
  ])('%s', async (_, connect, subscribe, expected) => {
    expect((await grants(connect, subscribe)).messageDirectives('a', 'e').store).toBe(expected);
  });

  it('is the latest scheduleBefore and the earliest historyStart of one rank', async () => {
    const subject = await grants({
      'a*': { historyStart: 5, messages: { '*': { scheduleBefore: 10 } } },
      '*a': { historyStart: 3, messages: { 'e*': { scheduleBefore: 30 } } },
      '*': { historyStart: 4, messages: { '*e': { scheduleBefore: 20 } } },
      ab: { historyStart: 9 },
    });
    expect(subject.messageDirectives('a', 'e').scheduleBefore).toBe(30);
    expect(subject.historyStart('a')).toBe(3);
    expect(subject.historyStart('ab')).toBe(9);
  });
});

describe('storage', () => {
  it('G1 may be read without a subscription where get is granted', async () => {
    const subject = await grants({ a: { storage: { config: { get: true } } } });
    expect(subject.storage('a', 'config')).toMatchObject({ get: true, set: false, observe: false, store: -1 });
    expect(subject.storage('a', 'other').get).toBe(false);
    expect(subject.storage('b', 'config').get).toBe(false);
  });

  it('G2 may be written except where an exact key says false', async () => {
    const subject = await grants({ a: { storage: { '*': { set: true }, locked: { set: false } } } });
    expect(subject.storage('a', 'x').set).toBe(true);
    expect(subject.storage('a', 'locked').set).toBe(false);
  });

  it('G4 G5 carries every directive', async () => {
    const directives = { observe: true, get: true, set: true, emitPubSubEvent: true, store: 60, scheduleBefore: NOW };
    const subject = await grants({ a: { storage: { k: directives, l: { observe: true, set: true } } } });
    expect(subject.storage('a', 'k')).toEqual(directives);
    expect(subject.storage('a', 'l')).toMatchObject({ observe: true, set: true, scheduleBefore: undefined, store: -1 });
  });

  it('is granted by messages of the same name as little as the other way round', async () => {
    const subject = await grants({ a: { storage: { e: { set: true } }, messages: { k: { publish: true } } } });
    expect(subject.storage('a', 'k').set).toBe(false);
    expect(subject.publishDecision('a', 'e', true)).toBe('PUBLISH_PERMISSION_DENIED');
  });

  it('is known to be observable when any key may be', async () => {
    const subject = await grants(
      {
        exact: { storage: { k: { observe: true } } },
        'pattern.*': { storage: { 'k*': { observe: true }, kk: { observe: false } } },
        none: { storage: { k: { get: true, set: true, observe: false } } },
      },
      { both: { storage: { k: { observe: true } } } },
    );
    const channels = ['exact', 'pattern.1', 'none', 'both', 'other'];
    expect(channels.map((channel) => subject.mayObserveStorage(channel))).toEqual([true, true, false, true, false]);
  });

  it('names all keys that may be read, unless patterns decide', async () => {
    const get = { get: true };
    const subject = await grants({
      a: { storage: { k: get, l: { set: true }, m: get } },
      'a*': { storage: { n: get, 'x*': { set: true }, m: { get: false } } },
      'b*': { storage: { k: get, 'x*': get } },
    });
    expect(subject.readableStorageKeys('a')).toEqual(['k', 'n']);
    expect(subject.readableStorageKeys('b')).toBeUndefined();
    expect(subject.readableStorageKeys('c')).toEqual([]);
  });
});

describe('a reaction', () => {
  it.each<[string, object, object | undefined, boolean | string[]]>([
    ['R1 is granted for the listed values', messages({ chat: { react: ['x'] } }), undefined, ['x']],
    [
      'R2 is granted for the union of the lists',
      messages({ chat: { react: ['x'] }, '*': { react: ['y'] } }),
      undefined,
      ['x', 'y'],
    ],
    ['R3 is denied by false anywhere', messages({ chat: { react: true }, '*': { react: false } }), undefined, false],
    [
      'is granted for all values by true anywhere',
      messages({ chat: { react: ['x'] }, '*': { react: true } }),
      undefined,
      true,
    ],
    ['is granted for no value by an empty list', messages({ chat: { react: [] } }), undefined, []],
    ['R5 is not granted by publish', messages({ 'hotsock.messageReaction': { publish: true } }), undefined, false],
    ['is not granted by another event', messages({ other: { react: true } }), undefined, false],
    [
      'is granted by the subscribe token instead of the connect token',
      messages({ chat: { react: true } }),
      messages({ chat: { react: ['z'] } }),
      ['z'],
    ],
    [
      'is granted by the connect token where the subscribe token is silent',
      messages({ chat: { react: ['x'] } }),
      messages({ other: { react: true } }),
      ['x'],
    ],
    [
      'is denied by false in the connect token',
      messages({ chat: { react: false } }),
      messages({ chat: { react: true } }),
      false,
    ],
  ])('%s', async (_, connect, subscribe, expected) => {
    const granted = (await grants(connect, subscribe)).react('a', 'chat');
    expect(typeof granted === 'boolean' ? granted : [...granted].sort()).toEqual(expected);
  });
});

describe('a umd update', () => {
  it('U1 is granted for a channel by the umd token’s directive', async () => {
    const token = new Grants(await compiled({ uid: 'u1', umd: 1, channels: { a: { umdUpdate: true } } }, 'umd'));
    expect(token.umdUpdate('a')).toBe(true);
    expect(token.umdUpdate('b')).toBe(false);
  });

  it('U3 U4 U5 U6 is granted for the connection by the top-level claim alone', async () => {
    const channelOnly = await compiled({ channels: { a: { umdUpdate: true } } }, 'umd');
    expect(channelOnly.umdUpdate).toBe(false);
    const topOnly = await compiled({ umdUpdate: true, umdPropagate: true }, 'umd');
    expect([topOnly.umdUpdate, topOnly.umdPropagate, new Grants(topOnly).umdUpdate('a')]).toEqual([true, true, false]);
    const propagateOnly = await compiled({ umdPropagate: true }, 'umd');
    expect(propagateOnly.umdUpdate).toBe(false);
  });

  it('U8 is not granted by the connect token', async () => {
    const umdToken = await compiled({ uid: 'u1', channels: { a: {} } }, 'umd');
    expect(new Grants(umdToken).umdUpdate('a')).toBe(false);
  });
});

describe('channel directives', () => {
  it('I1 I2 grant information by pattern, and nothing by default', async () => {
    const subject = await grants({ 'presence.*': { getInfo: true, omitFromSubCount: true }, a: yes });
    expect([subject.getInfo('presence.x'), subject.omitFromSubCount('presence.x')]).toEqual([true, true]);
    expect([subject.getInfo('a'), subject.omitFromSubCount('a')]).toEqual([false, false]);
  });

  it('H1 H2 H3 H5 set where history starts, with 0 and without a subscription too', async () => {
    const subject = await grants({ a: { historyStart: 0 }, b: { historyStart: NOW + 0.5 } });
    expect([subject.historyStart('a'), subject.historyStart('b'), subject.historyStart('c')]).toEqual([
      0,
      NOW + 0.5,
      undefined,
    ]);
  });
});

describe('remembered decisions', () => {
  it('stay right when more names are asked than are remembered', async () => {
    const subject = await grants({
      'c*': { subscribe: true, messages: { 'e*': { publish: true, store: 5 } }, storage: { 'k*': { set: true } } },
    });
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 600; i++) {
        expect(subject.publishDecision(`c${i % 7}`, `e${i}`, true)).toBe('allow');
        expect(subject.publishDecision(`d${i}`, 'e', true)).toBe('PUBLISH_PERMISSION_DENIED');
        expect(subject.messageDirectives(`c${i}`, 'e').store).toBe(5);
        expect(subject.storage('c', `k${i}`).set).toBe(true);
      }
    }
  });

  it('are the same object for the same question', async () => {
    const subject = await grants(messages({ '*': { publish: true } }));
    expect(subject.messageDirectives('a', 'e')).toBe(subject.messageDirectives('a', 'e'));
    expect(subject.storage('a', 'k')).toBe(subject.storage('a', 'k'));
  });
});
