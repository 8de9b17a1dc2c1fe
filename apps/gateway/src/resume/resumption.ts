import { installationNow } from '@hearth/timing';
import { setTimeout as delay } from 'node:timers/promises';
import { firstIdOf, idTimeMs, OutageError, ResumePoint } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import { Database, Db, messagesBetween, notedEnd } from '@hearth/store';
import { deliverExtent, lastDelivered, IngestPublisher, readDeliveredPage, StreamConnection } from '@hearth/stream';
import type { Channel } from '../channel/channel';
import { Denials } from '../denials/denials';
import type { PagedSource } from './paged-replay';
import { isUnheardOf, noReplay, planReplay, ReplayPlan, ReplaySource } from './replay-plan';
import { ResumeRight } from './resume-right';
import { StreamReadTurns } from './stream-read-turns';
import { Resume } from './resume';
import { ResumeKeys } from './resume-keys';
import {
  CHAIN_LENGTH,
  ResumeBinding,
  ResumeGrant,
  ResumeStart,
  signResumeToken,
  verifyResumeToken,
} from './resume-token';

/** Who resumes, and with what. */
export interface ResumeAttempt {
  readonly channel: Channel;
  /** What it asks with; `undefined` for one whose entry in the connect URL cannot be understood. */
  readonly point: ResumePoint | undefined;
  /** Of the subscription. */
  readonly uid: string | null;
  /** Oldest instant that its claims make visible, ms since 1970. */
  readonly historyStartMs: number | undefined;
  /** Whether the client is still there. */
  readonly isWanted: () => boolean;
}

/** How a resume goes on. */
export interface Resumed {
  readonly plan: ReplayPlan;
  /** Connections of its chain before this one, newest first. */
  readonly connectionIds: readonly string[];
}

/** Of frames that are read at once. */
const PAGE_BYTES = 256 * 1_024;
/** A message that another gateway has shown arrives here within this time, if it exists. */
const ON_ITS_WAY_MS = 500;
const LOOK_MS = 50;
/** Younger stored messages may still be on their way to the stream. */
const SETTLED_MS = 10_000;

/** Tokens, and what is read for clients that come back with one (resume). */
@Injectable()
export class Resumption {
  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
    private readonly ingest: IngestPublisher,
    private readonly old: Resume,
    private readonly keys: ResumeKeys,
    private readonly turns: StreamReadTurns,
    private readonly denials: Denials,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'deliverMaxAgeSeconds'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * How a resume is answered.
   *
   * @throws OutageError when NATS or Postgres do not answer
   */
  async resume(attempt: ResumeAttempt): Promise<Resumed> {
    const { point, channel, uid } = attempt;
    const { after, token } = point ?? {};
    const grant = token === undefined ? undefined : this.verify(token, { channel: channel.name, uid });
    const connectionIds = grant?.connectionIds ?? [];
    const question = this.questionOf(attempt, after, grant?.from);
    if (point === undefined || (token !== undefined && grant === undefined))
      return { plan: noReplay(question), connectionIds };
    if (after !== undefined) await this.untilHere(() => isUnheardOf(question), after);
    try {
      return { plan: await planReplay(question, this.sourceFor(attempt.isWanted)), connectionIds };
    } catch (error) {
      throw new OutageError('channel: it cannot be resumed at the moment', { cause: error });
    }
  }

  /**
   * A token for a subscription that begins now.
   *
   * @param from where its right begins; by default here
   */
  token(
    channel: Channel,
    uid: string | null,
    connectionIds: readonly string[],
    connectionExpiresAtMs: number,
    from: ResumeStart = channel.intake.end(),
  ): string {
    const grant: ResumeGrant = {
      from,
      issuedAtMs: installationNow(),
      expiresAtMs: connectionExpiresAtMs + this.config.deliverMaxAgeSeconds * 1_000,
      connectionIds: connectionIds.slice(0, CHAIN_LENGTH),
    };
    return signResumeToken(grant, { channel: channel.name, uid }, this.keys.all[0]);
  }

  /** Whether clients wait here for their turn to read, and turns end: that is no outage. */
  get readsMove(): boolean {
    return this.turns.areMoving || this.database.readTurns.areMoving;
  }

  /**
   * What is read for a client, in turns.
   *
   * @param isWanted whether it is still there
   */
  sourceFor(isWanted: () => boolean): ReplaySource & PagedSource {
    const { stream, database, turns } = this;
    return {
      page: (channel, startAt) =>
        turns.take(channel, () => readDeliveredPage(stream, startAt, channel, PAGE_BYTES), { isWanted }),
      newest: (channel) => lastDelivered(stream, channel),
      extent: () => deliverExtent(stream),
      notedEnd: (channel, partition) => notedEnd(database.db, partition, channel),
      log: (channel, { after, before }, maxBytes) => {
        const range = { after, before: before.length > 0 ? before : [firstIdOf(installationNow() - SETTLED_MS)] };
        const read = (db: Db) => messagesBetween(db, channel, range, maxBytes);
        return database.readFor(channel, read, { patienceMs: Infinity, isWanted });
      },
    };
  }

  private verify(token: string, binding: ResumeBinding): ResumeGrant | undefined {
    const grant = verifyResumeToken(token, binding, this.keys.all, installationNow());
    const revokedMs = this.denials.userRevokedMs(binding.uid);
    return grant === undefined || grant.issuedAtMs < (revokedMs ?? 0) ? undefined : grant;
  }

  private questionOf({ channel, uid, historyStartMs }: ResumeAttempt, after: string | undefined, from?: ResumeStart) {
    const wasShown = from === undefined && after !== undefined && this.wasShown(uid, channel, after);
    // A token alone is to be gone on from: what was before it, nobody asks for.
    const isAlone = from !== undefined && after === undefined;
    const right = new ResumeRight(from, isAlone ? undefined : historyStartMs, wasShown);
    return { channel: channel.intake, partition: this.ingest.partitionOf(channel.name), after, from, right };
  }

  private wasShown(uid: string | null, channel: Channel, id: string): boolean {
    const position = id === channel.intake.lastId ? channel.intake.last : undefined;
    return this.old.rights.covers(uid, channel.name, { id, position });
  }

  /** Waits a moment for a message that another gateway may have shown before it came here. */
  private async untilHere(isMissing: () => boolean, id: string): Promise<void> {
    const isFresh = Math.abs(installationNow() - idTimeMs(id)) < SETTLED_MS;
    for (let waitedMs = 0; isFresh && isMissing() && waitedMs < ON_ITS_WAY_MS; waitedMs += LOOK_MS)
      await delay(LOOK_MS);
  }
}
