import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER } from '@hearth/runtime';
import { channelEndNote, type ChannelEndNote, Database, forgetChannelEnds, noteChannelEnds } from '@hearth/store';
import {
  deliverExtent,
  furthestDelivered,
  mayBeRepeat,
  readNewestDelivered,
  StreamConnection,
  type StreamExtent,
} from '@hearth/stream';
import { every, type Repeated, within } from '@hearth/timing';
import { partitionOf } from '@hearth/wire';
import { Inject, Injectable } from '@nestjs/common';
import { ChannelEnds, firstNote, isNoteDue, nextNote, rowsOf } from './channel-ends';

/** Notes in the time for which the deliver stream keeps a message: several may fail. */
const NOTES_IN_A_WINDOW = 6;
const LONGEST_INTERVAL_MS = 5 * 60_000;
/** How often is looked whether a note is due. */
const LOOK_EVERY_MS = 5_000;
/** While the ends of channels are learned, so many are written at once. */
const LEARNED_AT_ONCE = 20_000;
/** Channels that are looked at each by itself, at a time. */
const LOOKUPS_AT_ONCE = 16;
/** A partition that is given back, and that nobody works on meanwhile, does not wait longer for its last note: the next owner learns
 * what it says. */
const LAST_NOTE_MS = 250;
const FORGET_EVERY_MS = 60 * 60_000;
const DAY_SECONDS = 86_400;

/**
 * Notes in Postgres where channels end, for resumes of channels that have been silent for longer than the deliver stream
 * keeps a message (resume §3). Messages never wait for this: whoever takes a partition over reads from the deliver stream
 * what the owner before had not noted.
 */
@Injectable()
export class EndNotes {
  private readonly followed = new Set<ChannelEnds>();
  private readonly intervalMs: number;
  private readonly forgetSeconds: number;
  private looks: Repeated | undefined;
  private looking: Promise<unknown> = Promise.resolve();
  private forgottenMs = -Infinity;

  constructor(
    private readonly stream: StreamConnection,
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: HearthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const { connectionMaxSeconds, deliverMaxAgeSeconds } = config;
    this.intervalMs = Math.min(LONGEST_INTERVAL_MS, (deliverMaxAgeSeconds * 1_000) / NOTES_IN_A_WINDOW);
    // No token lives longer than a connection and the window together.
    this.forgetSeconds = Math.max(DAY_SECONDS, 2 * (connectionMaxSeconds + deliverMaxAgeSeconds));
  }

  start(): void {
    this.looks = every(
      Math.min(LOOK_EVERY_MS, this.intervalMs),
      () => {
        const look = this.look();
        this.looking = look.catch(() => undefined);
        return look;
      },
      (error) => {
        for (const ends of this.followed) ends.isDelayed = true;
        this.logger.warn({ err: error }, 'where channels end could not be noted, trying again');
      },
    );
  }

  stop(): void {
    void this.looks?.stop();
  }

  /** Notes the ends of a partition from now on. */
  follow(ends: ChannelEnds): void {
    this.followed.add(ends);
  }

  /** Another owner has the partition, or may have it. */
  drop(ends: ChannelEnds): void {
    this.followed.delete(ends);
  }

  /** Notes a last time what a partition has sent, so that the next owner has little to learn; waits a moment only. */
  async leave(ends: ChannelEnds): Promise<void> {
    this.drop(ends);
    if (ends.note === undefined) return;
    try {
      const written = this.looking.then(() => deliverExtent(this.stream)).then((extent) => this.write(ends, extent));
      await within(LAST_NOTE_MS, written);
    } catch (error) {
      this.logger.debug({ partition: ends.claim.partition, err: error }, 'no last note of where channels end');
    }
  }

  private async look(): Promise<void> {
    const unlearned = [...this.followed].filter(({ note }) => note === undefined);
    if (unlearned.length > 0) await this.learn(unlearned);
    const extent = await deliverExtent(this.stream);
    const now = performance.now();
    for (const ends of this.followed) {
      if (ends.note === undefined || !isNoteDue(ends.note, extent, now - ends.notedMs, this.intervalMs)) continue;
      await this.write(ends, extent);
    }
    await this.forgetOld(now);
  }

  /** @param extent what the stream had before now */
  private async write(ends: ChannelEnds, extent: StreamExtent): Promise<void> {
    if (ends.note === undefined) return;
    const { losses } = ends;
    const note = nextNote(ends.note, extent, ends.isDelayed);
    if (!(await this.writeEnds(ends, note)) || ends.losses !== losses) return;
    Object.assign(ends, { note, notedMs: performance.now(), isDelayed: false });
  }

  private async writeEnds(ends: ChannelEnds, note: ChannelEndNote): Promise<boolean> {
    const taken = ends.take();
    try {
      await ends.delivered();
      const isOurs = await noteChannelEnds(this.database.db, ends.claim, rowsOf(taken), note);
      if (!isOurs) this.drop(ends);
      return isOurs;
    } catch (error) {
      ends.putBack(taken);
      throw error;
    }
  }

  /** Learns what owners before have sent and not noted, in one pass for all partitions that have been taken over. */
  private async learn(unlearned: readonly ChannelEnds[]): Promise<void> {
    const extent = await deliverExtent(this.stream);
    const begun = await Promise.all(
      unlearned.map(async (ends) => {
        const { partition } = ends.claim;
        const stored = await channelEndNote(this.database.db, partition);
        return { partition, ends, losses: ends.losses, stored, note: firstNote(stored, extent) };
      }),
    );
    const behind = new Map(
      begun.filter(({ note }) => note.deliverSeq < extent.last).map((one) => [one.partition, one]),
    );
    if (behind.size > 0) {
      const repeats: (() => Promise<void>)[] = [];
      await readNewestDelivered(
        this.stream,
        (channel, newest) => {
          const one = behind.get(partitionOf(channel, this.config.partitions));
          if (one === undefined || newest.sequence <= one.note.deliverSeq) return;
          one.ends.add(channel, newest.record);
          if (!mayBeRepeat(newest)) return;
          repeats.push(async () =>
            one.ends.add(
              channel,
              (await furthestDelivered(this.stream, channel, newest, this.config.clockToleranceMs)).record,
            ),
          );
        },
        async () => {
          for (const { ends, note } of behind.values())
            if (ends.size > LEARNED_AT_ONCE) await this.writeEnds(ends, note);
        },
      );
      for (let from = 0; from < repeats.length; from += LOOKUPS_AT_ONCE)
        await Promise.all(repeats.slice(from, from + LOOKUPS_AT_ONCE).map((look) => look()));
    }
    for (const { ends, losses, stored, note } of begun) {
      if (ends.losses !== losses) continue;
      // In a new series nobody relies on what went before, so what the stream dropped meanwhile is no loss.
      Object.assign(ends, { note, notedMs: -Infinity, isDelayed: note !== stored && note.series > 0 });
    }
  }

  private async forgetOld(now: number): Promise<void> {
    if (now - this.forgottenMs < FORGET_EVERY_MS) return;
    while ((await forgetChannelEnds(this.database.db, this.forgetSeconds)) > 0);
    this.forgottenMs = now;
  }
}
