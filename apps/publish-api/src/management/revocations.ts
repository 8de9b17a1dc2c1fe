import { isUlid, limitReached, ProtocolError, utcInstant } from '@hearth/protocol';
import {
  Database,
  endRevocation,
  endRevocationWithToken,
  findRevocation,
  hasRevocations,
  listRevocations,
  putDenial,
  revocationOf,
  type StoredDenial,
} from '@hearth/store';
import type { RevocationTarget } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { Gateways } from './gateways';
import { pageOf, type RevocationsQuery } from './list-query';
import type { RevocationRequest } from './revocation-request';
import { tell } from './tell';

/** Every gateway has them in memory. */
const MAX_REVOCATIONS = 1_000_000;

/** A revocation as users see it (management-api §4). */
export interface Revocation {
  readonly id: string;
  readonly jti: string | null;
  readonly uid: string | null;
  readonly issuedBefore: string | null;
  readonly kid: string | null;
  readonly reason: string | null;
  readonly createdAt: string;
  /** `null`: until it is taken back. */
  readonly keptUntil: string | null;
}

export interface RevocationOutcome {
  readonly revocation: Revocation;
  readonly isNew: boolean;
  readonly disconnected: number;
  /** Every gateway that may live has done it. */
  readonly complete: boolean;
}

/** Tokens that shall be good for nothing any more (management-api §4). They are kept before anybody is told. */
@Injectable()
export class Revocations {
  constructor(
    private readonly gateways: Gateways,
    private readonly database: Database,
  ) {}

  /** @throws ProtocolError `LIMIT_REACHED` */
  async revoke({ target, keepForMs, ...request }: RevocationRequest): Promise<RevocationOutcome> {
    const { db } = this.database;
    await this.checkRoom(target);
    const rollCall = this.gateways.rollCall();
    const { stored, isNew } = await putDenial(db, { ...target, endsInMs: keepForMs, ...request });
    const { disconnected, tokensEndMs } = await tell(rollCall, [stored], stored.version);
    const [jti] = target.names;
    const ended = tokensEndMs === undefined ? undefined : await endRevocationWithToken(db, jti, tokensEndMs);
    return { revocation: describe(ended ?? stored), isNew, disconnected, complete: rollCall.complete };
  }

  async list({ targets, after, limit }: RevocationsQuery): Promise<{ revocations: Revocation[]; next: string | null }> {
    const found = targets.length === 0 ? await this.page(after, limit) : await this.ofTargets(targets, after);
    const { items: revocations, next } = pageOf(found, limit, describe);
    return { revocations, next };
  }

  /** @throws ProtocolError `NOT_FOUND` */
  async find(id: string): Promise<Revocation> {
    return describe(await this.stored(id));
  }

  /** @throws ProtocolError `NOT_FOUND` */
  async targetOf(id: string): Promise<RevocationTarget> {
    return (await this.stored(id)) as RevocationTarget;
  }

  /**
   * Takes one back.
   *
   * @throws ProtocolError `NOT_FOUND`
   */
  async remove(id: string): Promise<{ readonly complete: boolean }> {
    const rollCall = this.gateways.rollCall();
    const ended = await endRevocation(this.database.db, id);
    if (ended === undefined) throw noRevocation();
    await tell(rollCall, [ended], ended.version);
    return { complete: rollCall.complete };
  }

  private async stored(id: string): Promise<StoredDenial> {
    const found = isUlid(id) ? await findRevocation(this.database.db, id) : undefined;
    if (found === undefined) throw noRevocation();
    return found;
  }

  private page(after: string, limit: number): Promise<StoredDenial[]> {
    return listRevocations(this.database.db, after, limit + 1);
  }

  /** A revocation has one target, so of several none is about all. */
  private async ofTargets([target, other]: readonly RevocationTarget[], after: string): Promise<StoredDenial[]> {
    if (target === undefined || other !== undefined) return [];
    const found = await revocationOf(this.database.db, target);
    return found === undefined || found.id <= after ? [] : [found];
  }

  /** What is revoked already can always be revoked again. */
  private async checkRoom(target: RevocationTarget): Promise<void> {
    const { db } = this.database;
    if (!(await hasRevocations(db, MAX_REVOCATIONS)) || (await revocationOf(db, target)) !== undefined) return;
    throw limitReached('revocations', MAX_REVOCATIONS, 'revocations');
  }
}

/** What is revoked, in the words of the request. */
export function revokedBy({ kind, names: [name] }: RevocationTarget): { jti?: string; uid?: string; kid?: string } {
  if (kind === 'revokedToken') return { jti: name };
  return kind === 'revokedUser' ? { uid: name } : { kid: name };
}

function describe(stored: StoredDenial): Revocation {
  const { id, issuedBefore, reason, createdMs, endsMs } = stored;
  const { jti = null, uid = null, kid = null } = revokedBy(stored as RevocationTarget);
  return {
    id,
    jti,
    uid,
    issuedBefore: issuedBefore === undefined ? null : utcInstant(issuedBefore * 1_000),
    kid,
    reason,
    createdAt: utcInstant(createdMs),
    keptUntil: endsMs === null ? null : utcInstant(endsMs),
  };
}

function noRevocation(): ProtocolError {
  return new ProtocolError('NOT_FOUND', 'id: there is no such revocation, or its time is over');
}
