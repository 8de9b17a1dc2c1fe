import { Grants, subscriptionIdentity } from './grants';
import {
  allow,
  denied,
  messages,
  outside,
  P12,
  P13,
  PUBLISH_VECTORS,
  type PublishVector,
} from './testing/publish-vectors';
import { AUTO_SUBSCRIBE_VECTORS, no, SUBSCRIBE_VECTORS, type SubscribeVector, yes } from './testing/subscribe-vectors';
import { compiled, NOW } from './testing/signed-tokens';

/** Vectors of tokens-and-claims §7 that the claims alone decide; `S1` and so on are their numbers there. */

async function grants(connect: object, subscribe?: object): Promise<Grants> {
  const connectClaims = await compiled({ uid: 'u1', channels: connect });
  if (subscribe === undefined) return new Grants(connectClaims);
  return new Grants(connectClaims, await compiled({ uid: 'u1', channels: subscribe }, 'subscribe'));
}

describe('a subscription', () => {
  it.each<SubscribeVector>([
    ...SUBSCRIBE_VECTORS,
    ...AUTO_SUBSCRIBE_VECTORS,
    ['is granted by autoSubscribe for that channel only', { a: { autoSubscribe: true } }, undefined, { b: false }],
    ['is not granted by autoSubscribe false', { a: { autoSubscribe: false } }, undefined, { a: false }],
    ['is denied by the subscribe token although the connect token grants', { b: yes }, { '*': no }, { b: false }],
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
    expect(claims.autoSubscribe).toEqual(['a', 'b']);
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
  it.each<PublishVector>([
    ...PUBLISH_VECTORS,
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
      'R5 of a reaction is not granted by publish',
      messages({ 'hotsock.messageReaction': { publish: true } }),
      undefined,
      [['a', 'chat', denied, denied]],
    ],
  ])('%s', async (_, connect, subscribe, expected) => {
    const subject = await grants(connect, subscribe);
    for (const [channel, event, subscribed, notSubscribed] of expected) {
      if (subscribed !== undefined) expect(subject.publishDecision(channel, event, true)).toBe(subscribed);
      expect(subject.publishDecision(channel, event, false)).toBe(notSubscribed);
    }
  });

  it('P12 is stored as the exact event says', async () => {
    const subject = await grants(P12);
    expect(subject.publishDecision('a', 'typing', true)).toBe('allow');
    expect(subject.messageDirectives('a', 'typing').store).toBe(0);
    expect(subject.messageDirectives('a', 'chat').store).toBe(86_400);
  });

  it('P13 is echoed only with echo', async () => {
    const subject = await grants(P13);
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
