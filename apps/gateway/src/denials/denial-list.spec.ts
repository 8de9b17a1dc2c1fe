import { type Denial, type DenialTarget, type Farewell, REVOKED } from '@hearth/wire';
import { type DeniableToken, DenialList } from './denial-list';

const NOW_MS = 1_000_000;
const BYE: Farewell = { reason: 'Bye', reconnect: false, except: ['stays'] };
const NOBODY: DeniableToken = { uid: null };

function listOf(...denials: (DenialTarget & Partial<Denial>)[]): DenialList {
  const list = new DenialList();
  for (const denial of denials) {
    list.put({ endsInMs: null, sinceMs: NOW_MS, farewell: BYE, ...denial }, NOW_MS);
  }
  return list;
}

describe('a revocation', () => {
  const user = { kind: 'revokedUser', names: ['u'], issuedBefore: 100 } as const;

  it.each<[string, DenialTarget & Partial<Denial>, DeniableToken, boolean]>([
    ['of a jti', { kind: 'revokedToken', names: ['t'] }, { uid: 'u', jti: 't' }, true],
    ['of another jti', { kind: 'revokedToken', names: ['t'] }, { uid: 't', jti: 'u' }, false],
    ['of a jti that it has not', { kind: 'revokedToken', names: ['t'] }, NOBODY, false],
    ['of its user, from before', user, { uid: 'u', iat: 99.9 }, true],
    ['of its user, from that second', user, { uid: 'u', iat: 100 }, false],
    ['of its user, without iat', user, { uid: 'u' }, true],
    ['of another user', user, { uid: 'v' }, false],
    ['of a user, and it has none', user, NOBODY, false],
    ['of its key', { kind: 'revokedKey', names: ['k'] }, { uid: null, keyId: 'k' }, true],
    ['of another key', { kind: 'revokedKey', names: ['k'] }, { uid: 'k', keyId: 'l', jti: 'k' }, false],
  ])('%s: %j concerns %j: %s', (_name, denial, token, revoked) => {
    expect(listOf(denial).isRevoked(token, NOW_MS)).toBe(revoked);
  });

  it('ends when its time is over, or when it is taken back', () => {
    const target = { kind: 'revokedToken', names: ['t'] } as const;
    const token = { uid: null, jti: 't' };
    const list = listOf({ ...target, endsInMs: 1_000 });
    expect([999, 1_000].map((ms) => list.isRevoked(token, NOW_MS + ms))).toEqual([true, false]);
    list.put({ ...target, endsInMs: null, sinceMs: 0, farewell: BYE }, NOW_MS);
    expect(list.isRevoked(token, NOW_MS + 1e12)).toBe(true);
    list.put({ ...target, endsInMs: -1, sinceMs: 0, farewell: BYE }, NOW_MS);
    expect(list.isRevoked(token, NOW_MS)).toBe(false);
  });

  it('says since when tokens of a user are revoked', () => {
    const list = listOf(user);
    expect([
      list.userRevokedMs('u', NOW_MS),
      list.userRevokedMs('v', NOW_MS),
      list.userRevokedMs(null, NOW_MS),
    ]).toEqual([NOW_MS, undefined, undefined]);
  });
});

describe('a refusal', () => {
  const connection = { id: 'c1', connect: { uid: 'u', jti: 't' }, isSubscribed: (name: string) => name === 'ch' };

  it.each<[DenialTarget, string, boolean, boolean]>([
    [{ kind: 'refusedUser', names: ['u'] }, 'd', true, true],
    [{ kind: 'refusedJti', names: ['t'] }, 'd', true, true],
    [{ kind: 'refusedToken', names: ['d'] }, 'd', true, false],
    [{ kind: 'refusedToken', names: ['d'] }, 'e', false, false],
    [{ kind: 'connection', names: ['c1'] }, 'd', false, true],
    [{ kind: 'connection', names: ['c2'] }, 'd', false, false],
    [{ kind: 'channel', names: ['ch'] }, 'd', false, true],
    [{ kind: 'channel', names: ['other'] }, 'd', false, false],
    [{ kind: 'refusedUser', names: ['t'] }, 'd', false, false],
    [{ kind: 'refusedSubscriber', names: ['ch', 'u'] }, 'd', false, false],
  ])(
    '%j, of a token with digest %s, keeps it out: %s, and sends its connection away: %s',
    (target, digest, out, away) => {
      const list = listOf(target);
      expect(list.connectRefusal(connection.connect, digest, NOW_MS)).toBe(out ? BYE : undefined);
      expect(list.farewellTo(connection, NOW_MS)).toBe(away ? BYE : undefined);
      expect(list.farewellTo({ ...connection, id: 'stays' }, NOW_MS)).toBeUndefined();
    },
  );

  it('spares nobody whose token is revoked as well', () => {
    const list = listOf({ kind: 'refusedUser', names: ['u'] }, { kind: 'revokedToken', names: ['t'] });
    expect(list.farewellTo({ ...connection, id: 'stays' }, NOW_MS)).toBe(REVOKED);
  });

  it.each<[DenialTarget, boolean]>([
    [{ kind: 'refusedSubscriber', names: ['ch', 'a user'] }, true],
    [{ kind: 'refusedSubscriber', names: ['ch', 'own'] }, true],
    [{ kind: 'refusedSubscriber', names: ['other', 'own'] }, false],
    [{ kind: 'refusedSubscription', names: ['ch', 'c1'] }, true],
    [{ kind: 'refusedSubscription', names: ['ch', 'own'] }, false],
    [{ kind: 'refusedUser', names: ['own'] }, false],
  ])('%j keeps a subscriber out: %s', (target, refused) => {
    expect(listOf(target).refusesSubscription('ch', 'c1', ['a user', 'own'], NOW_MS)).toBe(refused);
  });

  it('that is over is forgotten', () => {
    const list = listOf({ kind: 'refusedUser', names: ['u'], endsInMs: 5 });
    list.sweep(NOW_MS + 5);
    expect(list.connectRefusal(connection.connect, 'd', NOW_MS)).toBeUndefined();
  });
});
