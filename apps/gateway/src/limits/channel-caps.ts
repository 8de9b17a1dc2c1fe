import { limitReached, OutageError } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import { countReactions, countSchedules, countStorageKeys, type CountWith, Database } from '@hearth/store';
import { installationNow, within } from '@hearth/timing';
import { IngestPublisher } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import { Barriers } from '../attendance/barriers';

/** A count is that old at most (limits §2). */
const COUNT_MS = 1_000;
/** Longest that a client waits for a count. */
const ANSWER_MS = 500;
/** Counts that are remembered; then all are forgotten. */
const MOST_COUNTS = 10_000;

interface Counted {
  readonly atMs: number;
  /** As of then, and what has been let through since. */
  count: number;
}

type CapName = 'channelStorageKeys' | 'channelSchedules' | 'messageReactions';

/**
 * How much clients may leave behind in a channel (limits §2). It is counted in Postgres, once what was accepted can be read
 * there; without Postgres nothing is refused. What is there already may be written again.
 */
@Injectable()
export class ChannelCaps {
  private readonly counts = new Map<string, Counted>();

  constructor(
    private readonly database: Database,
    private readonly barriers: Barriers,
    private readonly ingest: IngestPublisher,
    @Inject(CONFIG)
    private readonly config: Pick<
      HearthConfig,
      'limitChannelStorageKeys' | 'limitChannelSchedules' | 'limitMessageReactions'
    >,
  ) {}

  /**
   * A client wants to set a storage entry.
   *
   * @returns `undefined` when it may, as is known already; else it may when the promise resolves
   * @throws ProtocolError `LIMIT_REACHED`, by the promise
   */
  storageKey(channel: string, key: string): Promise<void> | undefined {
    const count = () => countStorageKeys(this.database.db, channel, key, installationNow());
    return this.check('channelStorageKeys', this.config.limitChannelStorageKeys, [channel], 'keys of a channel', count);
  }

  /** A client wants to leave something for later. As `storageKey`. */
  schedule(channel: string): Promise<void> | undefined {
    const count = () => countSchedules(this.database.db, channel);
    return this.check(
      'channelSchedules',
      this.config.limitChannelSchedules,
      [channel],
      'schedules of a channel',
      count,
    );
  }

  /** A user wants to react to a message. As `storageKey`. */
  reaction(channel: string, messageId: string, uid: string, reaction: string): Promise<void> | undefined {
    const count = () => countReactions(this.database.db, channel, messageId, uid, reaction);
    const what = 'reactions of a user to a message';
    return this.check('messageReactions', this.config.limitMessageReactions, [channel, messageId, uid], what, count);
  }

  private check(
    name: CapName,
    most: number,
    of: readonly string[],
    what: string,
    count: () => Promise<CountWith>,
  ): Promise<void> | undefined {
    if (most === Infinity) return undefined;
    const key = JSON.stringify([name, ...of]);
    const known = this.counts.get(key);
    const ageMs = known === undefined ? Infinity : performance.now() - known.atMs;
    if (known !== undefined && ageMs < COUNT_MS && known.count < most) {
      known.count++;
      return undefined;
    }
    return this.count(key, of[0] ?? '', count).then((counted) => {
      if (counted === undefined || counted.has || counted.count < most) return;
      throw limitReached(name, most, what);
    });
  }

  /**
   * Counts what has been accepted up to now.
   *
   * @returns `undefined` when that cannot be found out
   */
  private count(key: string, channel: string, count: () => Promise<CountWith>): Promise<CountWith | undefined> {
    const settled = this.barriers.pass(this.ingest.partitionOf(channel));
    return within(ANSWER_MS, settled.then(count)).then(
      (counted) => {
        this.remember(key, counted.count + 1);
        return counted;
      },
      (error: unknown) => {
        if (!(error instanceof OutageError)) throw error;
        // Nobody waits for that again for a while.
        this.remember(key, -Infinity);
        return undefined;
      },
    );
  }

  private remember(key: string, count: number): void {
    if (this.counts.size >= MOST_COUNTS) this.counts.clear();
    this.counts.set(key, { atMs: performance.now(), count });
  }
}
