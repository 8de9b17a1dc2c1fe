import { setTimeout as delay } from 'node:timers/promises';
import type { EndCode } from '@hearth/protocol';
import { Logger, LOGGER, warnSeldom } from '@hearth/runtime';
import { changedDenials, Database, denialVersion, type StoredDenial } from '@hearth/store';
import { every, Repeated, within } from '@hearth/timing';
import { type Denial, type Farewell, REVOKED } from '@hearth/wire';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type DeniableToken, DenialList } from './denial-list';

/** In force everywhere within a second, also where nobody could be told (management-api §3, §4). */
const READ_MS = 800;
const ANSWER_MS = 2_500;
const RETRY_MS = 1_000;
/** Denials that have ended are kept for an hour; whoever has not heard of anything for half of it reads all again. */
const FORGOTTEN_MS = 1_800_000;
const SWEEP_MS = 60_000;

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

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Reads everything, however long Postgres is away: nobody is let in before (management-api §4). */
  static async open(database: Database, logger: Logger): Promise<Denials> {
    const denials = new Denials(database, logger);
    const failed = (error: unknown): void => warnSeldom(logger, { err: error }, 'denials cannot be read, trying again');
    while (!(await denials.readAll().then(() => true, failed))) await delay(RETRY_MS);
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
    return this.list.isRevoked(token, Date.now());
  }

  /**
   * How whoever connects with a token is sent away; `undefined` for who may stay.
   *
   * @param digest of the token
   */
  goodbyeFor(connect: DeniableToken, digest: string): Goodbye | undefined {
    if (this.isRevoked(connect)) return goodbye(REVOKED);
    const refusal = this.list.connectRefusal(connect, digest, Date.now());
    return refusal === undefined ? undefined : goodbye(refusal);
  }

  /** @param uids of the connection and of the subscription */
  refusesSubscription(channel: string, connectionId: string, uids: readonly (string | null)[]): boolean {
    return this.list.refusesSubscription(channel, connectionId, uids, Date.now());
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
    this.keep({ kind: 'refusedToken', names: [digest], endsInMs, sinceMs: Date.now(), farewell });
  }

  private keep(denial: Denial): void {
    const nowMs = Date.now();
    this.list.put(denial, nowMs);
    this.next?.put(denial, nowMs);
  }

  private async readNews(): Promise<void> {
    const known = this.version;
    const version = await within(ANSWER_MS, denialVersion(this.database.db));
    const nowMs = Date.now();
    // A database that knows less than we do was restored.
    if (version < known || nowMs - this.readAtMs > FORGOTTEN_MS) {
      await this.readAll();
      return this.listener();
    }
    while (this.version < version) {
      const news = await within(ANSWER_MS, changedDenials(this.database.db, this.version, true));
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

  private async readAll(): Promise<void> {
    const nowMs = Date.now();
    const list = (this.next = new DenialList());
    let version = 0;
    try {
      const last = await denialVersion(this.database.db);
      while (version < last) {
        const denials = await changedDenials(this.database.db, version, false);
        for (const denial of denials) list.put(denial, Date.now());
        version = denials.at(-1)?.version ?? last;
      }
    } finally {
      this.next = undefined;
    }
    this.list = list;
    this.version = version;
    this.readAtMs = nowMs;
  }
}

function byVersion(denials: readonly StoredDenial[]): ReadonlyMap<number, readonly StoredDenial[]> {
  const groups = new Map<number, StoredDenial[]>();
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
