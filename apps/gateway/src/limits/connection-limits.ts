import { addressKey, type ConnectionLimits, ConnectionBuckets, Penalties } from '@hearth/limits';
import type { ClaimedLimits, Claims } from '@hearth/claims';
import { limitReached, rateLimited } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { AddressLimits, CONFIG, type LimitAnswer, LimitAnswers } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { limitsAsClaimed, limitsAsSet } from './limit-table';
import { UidLimits } from './uid-limits';

/** Who went on although it was told not to stays away for so long (limits §3). */
const PENALTY_MS = 10_000;

/** Whom a limit meets. */
export interface Limited {
  readonly id: string;
  readonly sourceIp: string | undefined;
  readonly identity: { readonly uid: string | null };
}

/** Whose token it is, and from where it comes. */
export interface Comer {
  readonly sourceIp: string;
  readonly uid: string | null;
  readonly tokenDigest: string;
}

/** Limits of connections (limits §2 to §4). Their counts are kept by the connections themselves. */
@Injectable()
export class Limits {
  private readonly set: ConnectionLimits;
  private readonly claimed = new WeakMap<ClaimedLimits, ConnectionLimits>();
  private readonly penalties = new Penalties(PENALTY_MS);

  constructor(
    private readonly answers: LimitAnswers,
    private readonly addresses: AddressLimits,
    private readonly uids: UidLimits,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {
    this.set = limitsAsSet(config);
  }

  /** What the connection of a token may do. */
  of({ limits }: Claims): ConnectionLimits {
    const { limitClaims } = this.config;
    if (limits === undefined || limitClaims === 'ignore') return this.set;
    let claimed = this.claimed.get(limits);
    if (claimed === undefined) this.claimed.set(limits, (claimed = limitsAsClaimed(this.set, limits, limitClaims)));
    return claimed;
  }

  /** For a connection that has done nothing yet. */
  bucketsFor(claims: Claims): ConnectionBuckets {
    return new ConnectionBuckets(this.of(claims));
  }

  /** @throws ProtocolError `LIMIT_REACHED` when a connection may have no further subscription */
  checkSubscriptions(claims: Claims, subscriptions: number): void {
    const { subscriptions: most } = this.of(claims);
    if (subscriptions >= most) throw limitReached('connectionSubscriptions', most, 'subscriptions of a connection');
  }

  /** Counts what a limit has done to a connection. */
  count(limit: string, answer: LimitAnswer['answer'], { id, sourceIp, identity }: Limited): void {
    this.answers.count({ limit, answer, key: id, sourceIp, uid: identity.uid });
  }

  /** Somebody goes on who was told not to, and is sent away. */
  punish({ sourceIp, uid, tokenDigest }: Comer): void {
    this.penalties.add(penaltyKey(sourceIp, uid, tokenDigest), performance.now());
  }

  /**
   * Somebody begins a connection; no token has been looked at.
   *
   * @returns ends what it takes up
   * @throws ProtocolError with status 429
   */
  takePlace(sourceIp: string): () => void {
    this.takeSession(sourceIp);
    this.addresses.enter(sourceIp);
    return () => this.addresses.leave(sourceIp);
  }

  /** Somebody opens a session of a transport that shows its token later. */
  takeSession(sourceIp: string): void {
    this.addresses.checkRefusals(sourceIp);
    this.addresses.takeHandshake(sourceIp);
  }

  /** A request of somebody who has shown a good token, or whose handshake counts by itself. */
  knows(sourceIp: string, request: object): void {
    this.addresses.accepted(sourceIp, request);
  }

  /** Somebody has shown a token that is not taken. */
  refusedToken(sourceIp: string): void {
    this.addresses.refused(sourceIp);
  }

  /**
   * Somebody has shown a good token.
   *
   * @returns ends what it takes up
   * @throws ProtocolError with status 429
   */
  takeUser(claims: Claims, { sourceIp, uid, tokenDigest }: Comer): () => void {
    const leftMs = this.penalties.leftMs(penaltyKey(sourceIp, uid, tokenDigest), performance.now());
    if (leftMs > 0) {
      this.answers.count({ limit: 'connectionStrikes', answer: 'refused', key: uid ?? sourceIp, sourceIp, uid });
      throw rateLimited('connectionStrikes', leftMs);
    }
    if (uid === null) return () => undefined;
    this.uids.enter(uid, this.of(claims).uidConnections, sourceIp);
    return () => this.uids.leave(uid);
  }

  /** A connection has ended that had taken a place and a user. */
  left({ sourceIp = '', identity }: Pick<Limited, 'sourceIp' | 'identity'>): void {
    this.addresses.leave(sourceIp);
    if (identity.uid !== null) this.uids.leave(identity.uid);
  }
}

function penaltyKey(sourceIp: string, uid: string | null, tokenDigest: string): string {
  return `${addressKey(sourceIp)} ${uid === null ? `token ${tokenDigest}` : `uid ${uid}`}`;
}
