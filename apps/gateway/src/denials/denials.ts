import type { EndCode } from '@hearth/protocol';
import type { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER, warnSeldom } from '@hearth/runtime';
import {
  changedDenials,
  Database,
  denialsInForce,
  denialVersion,
  endRevocationWithToken,
  type NewDenial,
  putDenials,
  untilReachable,
} from '@hearth/store';
import { every, installationNow, Repeated, within } from '@hearth/timing';
import { type Denial, type Farewell, isOrder, REVOKED } from '@hearth/wire';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type DeniableToken, DenialList } from './denial-list';

/** In force everywhere within a second, also where nobody could be told (management-api §3, §4). */
const READ_MS = 800;
const ANSWER_MS = 2_500;
/** Denials that have ended are kept for an hour; whoever has not heard of anything for half of it reads all again. */
const FORGOTTEN_MS = 1_800_000;
const SWEEP_MS = 60_000;
/** Refusals in one statement. */
const KEPT_AT_ONCE = 500;
/** Ends of revoked tokens that are being written down; whoever shows more of them at once shows them again. */
const MAX_ENDS = 100;

/** What a client that is sent away is told, and the close code (management-api §6). */
export interface Goodbye {
  readonly code: 4401 | 4403;
  readonly reason: string;
  readonly error: EndCode;
}

/** Denials of one version, which are new here. */
export interface News {
  readonly denials: readonly Denial[];
  readonly version: number;
}

/** What is known of a token by which a revocation's end is found. */
type SeenToken = DeniableToken & { readonly exp: number };

type KeptDenial = Denial & { readonly version: number };

/** Hears of news; of none, when it is not known what is new. */
export type DenialListener = (news?: News) => Promise<void>;

/**
 * What is denied, as this gateway knows it. It is told by whoever changes it, and asks Postgres each second for what it
 * was not told. Without Postgres it goes on with what it knows.
 */
@Injectable()
export class Denials implements OnApplicationShutdown {
  private list = new DenialList();
  /** While all of it is read again. */
  private next: DenialList | undefined;
  private version = 0;
  private readAtMs = 0;
  private sweptAtMs = 0;
  private reading: Repeated | undefined;
  private listener: DenialListener = () => Promise.resolve();
  /** `jti`s of revoked tokens whose end is being written down, with that end. */
  private readonly ending = new Map<string, number>();
  /** Refusals that Postgres does not have yet. */
  private unkept: readonly NewDenial[] = [];

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'tokenLeewaySeconds'>,
  ) {}

  /**
   * Reads everything, however long Postgres is away: nobody is let in before (management-api §4).
   *
   * @throws the signal's reason when it is aborted
   */
  static async open(
    database: Database,
    logger: Logger,
    config: Pick<HearthConfig, 'tokenLeewaySeconds'>,
    interrupted: AbortSignal,
  ): Promise<Denials> {
    const denials = new Denials(database, logger, config);
    const onWaiting = (reason: string): void => logger.warn(`Denials not read yet, waiting for Postgres: ${reason}`);
    await untilReachable(() => denials.readAll(), onWaiting, interrupted);
    const failed = (error: unknown): void => warnSeldom(logger, { err: error }, 'denials cannot be read, trying again');
    denials.reading = every(READ_MS, () => denials.readNews(), failed);
    return denials;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.reading?.stop();
  }

  onNews(listener: DenialListener): void {
    this.listener = listener;
  }

  get all(): DenialList {
    return this.list;
  }

  /** Whether a token was revoked, whatever it is used for. */
  isRevoked(token: DeniableToken): boolean {
    return this.list.isRevoked(token, installationNow());
  }

  /** When a token's user was last revoked, whatever the token says; ms since 1970. */
  userRevokedMs(uid: string | null): number | undefined {
    return this.list.userRevokedMs(uid, installationNow());
  }

  /** When the revocation of a token's `jti` shall end, ms since 1970; `undefined` where it does already. */
  endOf({ jti, exp }: SeenToken): number | undefined {
    const endMs = (exp + this.config.tokenLeewaySeconds) * 1_000;
    return this.list.endsWrongly(jti, endMs, installationNow()) ? endMs : undefined;
  }

  /** A revoked token was shown: nobody needs to remember it for longer than it lasts (management-api §4). */
  saw(token: SeenToken): void {
    const { jti } = token;
    const endMs = this.endOf(token);
    if (jti === undefined || endMs === undefined || this.ending.size >= MAX_ENDS) return;
    if ((this.ending.get(jti) ?? 0) >= endMs) return;
    this.ending.set(jti, endMs);
    const forget = (): void => {
      if (this.ending.get(jti) === endMs) this.ending.delete(jti);
    };
    within(ANSWER_MS, endRevocationWithToken(this.database.db, jti, endMs))
      .catch((error: unknown) => this.logger.debug({ err: error }, 'the end of a revocation could not be noted'))
      // Until the news of it have come back.
      .finally(() => setTimeout(forget, 2 * READ_MS).unref());
  }

  /**
   * How whoever connects with a token is sent away; `undefined` for who may stay.
   *
   * @param digest of the token
   */
  goodbyeFor(connect: DeniableToken, digest: string): Goodbye | undefined {
    if (this.isRevoked(connect)) return goodbye(REVOKED);
    const refusal = this.list.connectRefusal(connect, digest, installationNow());
    return refusal === undefined ? undefined : goodbye(refusal);
  }

  /** @param uids of the connection and of the subscription */
  refusesSubscription(channel: string, connectionId: string, uids: readonly (string | null)[]): boolean {
    return this.list.refusesSubscription(channel, connectionId, uids, installationNow());
  }

  /**
   * Takes in what another node says.
   *
   * @param version that the denials have in Postgres; 0: they are not kept there
   */
  take(denials: readonly Denial[], version: number): void {
    for (const denial of denials) this.keep(denial);
    if (version === this.version + 1) this.version = version;
  }

  /** Refuses a connect token on this gateway. */
  refuseToken(digest: string, endsInMs: number, farewell: Farewell): void {
    this.keep({ kind: 'refusedToken', names: [digest], endsInMs, sinceMs: installationNow(), farewell });
  }

  /**
   * Keeps refusals of connect tokens in Postgres, so that the other gateways hear of them.
   *
   * @returns when the last of them ends, ms since 1970
   * @throws when it failed; it is tried again then
   */
  async keepRefusals(digests: readonly string[], endsInMs: number, farewell: Farewell): Promise<number | undefined> {
    if (digests.length === 0) return undefined;
    const refusals = digests.map((digest) => {
      return { kind: 'refusedToken', names: [digest], endsInMs, farewell } as const;
    });
    this.unkept = [...this.unkept, ...refusals];
    return this.keepUnkept();
  }

  private async keepUnkept(): Promise<number | undefined> {
    let endsMs = 0;
    while (this.unkept.length > 0) {
      const some = this.unkept.slice(0, KEPT_AT_ONCE);
      const stored = await within(ANSWER_MS, putDenials(this.database.db, uniqueTokens(some)));
      // Others may have come meanwhile, and some have gone.
      const kept = new Set(some);
      this.unkept = this.unkept.filter((one) => !kept.has(one));
      endsMs = Math.max(endsMs, ...stored.map((one) => one.endsMs ?? 0));
    }
    return endsMs === 0 ? undefined : endsMs;
  }

  private keep(denial: Denial): void {
    if (isOrder(denial)) return;
    const nowMs = installationNow();
    this.list.put(denial, nowMs);
    this.next?.put(denial, nowMs);
  }

  private async readNews(): Promise<void> {
    await this.keepUnkept();
    const known = this.version;
    const version = await within(ANSWER_MS, denialVersion(this.database.db));
    const nowMs = installationNow();
    // A database that knows less than we do was restored.
    if (version < known || nowMs - this.readAtMs > FORGOTTEN_MS) {
      const orders = await this.readAll();
      await this.listener();
      if (version < known) return;
      for (const [version, denials] of byVersion(orders)) await this.listener({ denials, version });
      return;
    }
    while (this.version < version) {
      const news = await within(ANSWER_MS, changedDenials(this.database.db, this.version));
      if (news.length === 0) this.version = version;
      for (const [version, denials] of byVersion(news)) {
        this.take(denials, version);
        this.version = Math.max(this.version, version);
        await this.listener({ denials, version });
      }
    }
    this.readAtMs = nowMs;
    if (nowMs - this.sweptAtMs < SWEEP_MS) return;
    this.sweptAtMs = nowMs;
    this.list.sweep(nowMs);
  }

  /** @returns orders that were new here */
  private async readAll(): Promise<readonly KeptDenial[]> {
    const known = this.version;
    const orders: KeptDenial[] = [];
    const nowMs = installationNow();
    const list = (this.next = new DenialList());
    let version = 0;
    try {
      const last = await denialVersion(this.database.db);
      while (version < last) {
        const denials = await denialsInForce(this.database.db, version);
        const nowMs = installationNow();
        for (const denial of denials) {
          if (!isOrder(denial)) list.put(denial, nowMs);
          else if (denial.version > known) orders.push(denial);
        }
        version = denials.at(-1)?.version ?? last;
      }
    } finally {
      this.next = undefined;
    }
    this.list = list;
    this.version = version;
    this.readAtMs = nowMs;
    return orders;
  }
}

/** Without those that are there twice: one statement takes each target once. */
function uniqueTokens(refusals: readonly NewDenial[]): readonly NewDenial[] {
  return [...new Map(refusals.map((refusal) => [refusal.names[0], refusal])).values()];
}

function byVersion(denials: readonly KeptDenial[]): ReadonlyMap<number, readonly KeptDenial[]> {
  const groups = new Map<number, KeptDenial[]>();
  for (const denial of denials) {
    const group = groups.get(denial.version);
    if (group === undefined) groups.set(denial.version, [denial]);
    else group.push(denial);
  }
  return groups;
}

export function goodbye(farewell: Farewell): Goodbye {
  const { reason, reconnect } = farewell;
  return {
    code: reconnect ? 4401 : 4403,
    reason,
    error: farewell === REVOKED ? 'TOKEN_REVOKED' : 'DISCONNECTED',
  };
}
