import { type Denial, denialKey, type DenialKind, type Farewell, REVOKED } from '@hearth/wire';

/** What a denial is decided by, of a token. */
export interface DeniableToken {
  readonly uid: string | null;
  readonly jti?: string;
  /** Unix seconds. */
  readonly iat?: number;
  readonly keyId?: string;
}

/** What a denial is decided by, of an open connection. */
export interface DeniableConnection {
  readonly id: string;
  /** Claims of the connect token. */
  readonly connect: DeniableToken;
  isSubscribed(channel: string): boolean;
}

/** What is known of one denial. */
interface Entry {
  /** Ms since 1970; Infinity: until it is taken back. */
  readonly endsAtMs: number;
  readonly issuedBefore: number;
  readonly sinceMs: number;
  /** Of a token's `jti`: the end is that of the token, or there shall be none. */
  readonly hasItsEnd: boolean;
  readonly farewell: Farewell;
}

/** What is read of the end of a denial is as late as the reading took. */
const READING_MS = 5_000;

type Kept = ReadonlyMap<string, Entry>;
const NOBODY: Kept = new Map();

/**
 * What is denied, in memory (management-api §3, §4). Each question costs a few look-ups, however much there is. Pure:
 * told the time, it says what holds then.
 */
export class DenialList {
  private readonly byKind = new Map<DenialKind, Map<string, Entry>>();

  /** Adds a denial, or changes it, or takes it back when it has ended. */
  put(denial: Denial, nowMs: number): void {
    const { kind, endsInMs, issuedBefore = Infinity, sinceMs, farewell, endsWithToken = false } = denial;
    const key = denialKey(denial);
    if (endsInMs !== null && endsInMs < 0) return void this.byKind.get(kind)?.delete(key);
    let entries = this.byKind.get(kind);
    if (entries === undefined) this.byKind.set(kind, (entries = new Map<string, Entry>()));
    const endsAtMs = endsInMs === null ? Infinity : nowMs + endsInMs;
    const hasItsEnd = endsWithToken || endsInMs === null;
    entries.set(key, { endsAtMs, issuedBefore, sinceMs, hasItsEnd, farewell });
  }

  /** Whether a token was revoked, whatever it is used for. */
  isRevoked({ uid, jti, iat = -Infinity, keyId }: DeniableToken, nowMs: number): boolean {
    const user = uid === null ? undefined : this.find('revokedUser', uid, nowMs);
    if (user !== undefined && iat < user.issuedBefore) return true;
    if (jti !== undefined && this.find('revokedToken', jti, nowMs) !== undefined) return true;
    return keyId !== undefined && this.find('revokedKey', keyId, nowMs) !== undefined;
  }

  /**
   * Whether the revocation of a `jti` shall end at another time than it does, when its token does.
   *
   * @param tokenEndMs ms since 1970
   */
  endsWrongly(jti: string | undefined, tokenEndMs: number, nowMs: number): boolean {
    const entry = jti === undefined ? undefined : this.find('revokedToken', jti, nowMs);
    return entry !== undefined && (!entry.hasItsEnd || entry.endsAtMs < tokenEndMs - READING_MS);
  }

  /** When tokens of a user were last revoked, ms since 1970; `undefined`: they are not. */
  userRevokedMs(uid: string | null, nowMs: number): number | undefined {
    return uid === null ? undefined : this.find('revokedUser', uid, nowMs)?.sinceMs;
  }

  /**
   * Why a connect token is refused; `undefined` when it is not.
   *
   * @param digest of the token
   */
  connectRefusal(token: DeniableToken, digest: string, nowMs: number): Farewell | undefined {
    const entry = this.refusals(token, nowMs).find((one) => one !== undefined);
    return (entry ?? this.find('refusedToken', digest, nowMs))?.farewell;
  }

  /**
   * How an open connection is sent away; `undefined` when it may stay. That its very token is refused is none of its
   * business: another connection with it was sent away.
   */
  farewellTo(connection: DeniableConnection, nowMs: number): Farewell | undefined {
    const { id, connect } = connection;
    if (this.isRevoked(connect, nowMs)) return REVOKED;
    const entries = this.refusals(connect, nowMs);
    entries.push(this.find('connection', id, nowMs));
    for (const [channel, entry] of this.byKind.get('channel') ?? NOBODY) {
      if (connection.isSubscribed(channel)) entries.push(entry);
    }
    return entries.find((entry) => entry?.farewell.except.includes(id) === false)?.farewell;
  }

  /** Whether a connection, or the user of a subscription, may not subscribe to a channel. */
  refusesSubscription(channel: string, connectionId: string, uids: readonly (string | null)[], nowMs: number): boolean {
    if (this.find('refusedSubscription', `${channel} ${connectionId}`, nowMs) !== undefined) return true;
    return uids.some((uid) => uid !== null && this.find('refusedSubscriber', `${channel} ${uid}`, nowMs) !== undefined);
  }

  /** Forgets what has ended. */
  sweep(nowMs: number): void {
    for (const entries of this.byKind.values()) {
      for (const [key, { endsAtMs }] of entries) if (endsAtMs <= nowMs) entries.delete(key);
    }
  }

  private refusals({ uid, jti }: DeniableToken, nowMs: number): (Entry | undefined)[] {
    return [
      uid === null ? undefined : this.find('refusedUser', uid, nowMs),
      jti === undefined ? undefined : this.find('refusedJti', jti, nowMs),
    ];
  }

  private find(kind: DenialKind, key: string, nowMs: number): Entry | undefined {
    const entry = (this.byKind.get(kind) ?? NOBODY).get(key);
    return entry === undefined || entry.endsAtMs <= nowMs ? undefined : entry;
  }
}
