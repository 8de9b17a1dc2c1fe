import { aliasOf, type AliasScope, resolveChannel } from './aliases';
import { ALIAS_VECTORS } from './testing/subscribe-vectors';
import { compiled, NOW, NOW_MS, SETTINGS, signTexts } from './testing/signed-tokens';
import { verifyToken } from './verify-token';

async function scope(
  connect: object,
  options: { subscribe?: object; active?: Record<string, string>; subscribed?: string[] } = {},
): Promise<AliasScope> {
  const { subscribe, active = {}, subscribed = [] } = options;
  return {
    connect: await compiled({ channels: connect }),
    subscribe: subscribe === undefined ? undefined : await compiled({ uid: 'u1', channels: subscribe }, 'subscribe'),
    activeAliases: new Map(Object.entries(active)),
    isSubscribed: (name) => subscribed.includes(name),
  };
}

/** tokens-and-claims §6 and its vectors of §7. */
describe('a channel name from a client', () => {
  const user = { 'user.1': { alias: 'user', subscribe: true } };

  type Row = [sentence: string, connect: object, options: Parameters<typeof scope>[1], sent: string, channel: string];

  it.each<Row>([
    ...ALIAS_VECTORS.map(([sentence, connect, subscribe, sent, channel]): Row => {
      return [sentence, connect, { subscribe }, sent, channel];
    }),
    ['is real when the subscribe token has it as key', user, { subscribe: { user: {} } }, 'user', 'user'],
    ['is real while subscribed under it', user, { subscribed: ['user'] }, 'user', 'user'],
    [
      'is not real because a pattern matches it',
      { 'user.1': { alias: 'user' }, '*': { subscribe: true } },
      {},
      'user',
      'user.1',
    ],
    ['is an alias of an active subscription', {}, { active: { me: 'user.1' } }, 'me', 'user.1'],
    [
      'is the subscribe token’s alias rather than an active one',
      {},
      { subscribe: { b: { alias: 'x' } }, active: { x: 'a' } },
      'x',
      'b',
    ],
    ['is an active alias rather than the connect token’s', { b: { alias: 'x' } }, { active: { x: 'a' } }, 'x', 'a'],
    ['is taken literally otherwise', user, {}, 'other', 'other'],
    ['may be a member of every object', user, {}, 'constructor', 'constructor'],
    ['may be __proto__ as alias', { a: { alias: '__proto__' } }, {}, '__proto__', 'a'],
    ['is not resolved twice', { a: { alias: 'x' } }, { active: { y: 'x' } }, 'y', 'x'],
  ])('%s', async (_, connect, options, name, expected) => {
    expect(resolveChannel(name, await scope(connect, options))).toBe(expected);
  });
});

describe('the alias of a subscription', () => {
  it('is the subscribe token’s, else the connect token’s', async () => {
    const connect = await compiled({ channels: { a: { alias: 'x' }, b: {} } });
    const subscribe = await compiled({ channels: { a: { alias: 'y' }, c: { alias: 'z' } } }, 'subscribe');
    expect(aliasOf('a', connect)).toBe('x');
    expect(aliasOf('a', connect, subscribe)).toBe('y');
    expect(aliasOf('c', connect, subscribe)).toBe('z');
    expect(aliasOf('b', connect, subscribe)).toBeUndefined();
    expect(aliasOf('constructor', connect, subscribe)).toBeUndefined();
  });
});

describe('auto-subscriptions', () => {
  it('are listed in the order of the claim, also for names that look like numbers', async () => {
    const entries = ['b', '10', 'a', '2', '__proto__', '1'].map((name) => `"${name}":{"autoSubscribe":true}`);
    const text = `{"exp":${NOW + 60},"scope":"connect","channels":{${entries.join(', ')},"c":{"autoSubscribe":false}}}`;
    const claims = await verifyToken(signTexts('{"alg":"HS256"}', text), 'connect', SETTINGS, NOW_MS);
    expect(claims.autoSubscribe).toEqual(['b', '10', 'a', '2', '__proto__', '1']);
  });

  it('leave out names that can never be channels', async () => {
    const claims = await compiled({ channels: { 'a b': { autoSubscribe: true }, a: { autoSubscribe: true } } });
    expect(claims.autoSubscribe).toEqual(['a']);
  });
});
