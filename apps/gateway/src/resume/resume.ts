import { installationNow } from '@hearth/timing';
import { setTimeout as delay } from 'node:timers/promises';
import { firstIdOf, idTimeMs } from '@hearth/protocol';
import { DeliverRecord, Position } from '@hearth/wire';
import { HearthConfig } from '@hearth/config';
import { CONFIG, Logger, LOGGER } from '@hearth/runtime';
import { type MissedMessage, UnwantedError } from '@hearth/store';
import { readDelivered, StreamConnection } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import type { Channel } from '../channel/channel';
import type { Seen } from '../channel/intake';
import { Denials } from '../denials/denials';
import { MissedLog } from './missed-log';
import { MAX_BYTES, MAX_MESSAGES, MissedMessages } from './missed-messages';
import { frameOfLogged } from './paged-replay';
import { StreamReadTurns } from './stream-read-turns';
import { ResumeRights } from './resume-rights';

/** Messages are stored a little after the instant in their id, never before, but clocks of eager ids may be ahead. */
const CLOCK_MARGIN_MS = 2_000;
/** A message with an older id has been stored, if it was ever delivered. */
const LATEST_MS = 10_000;
/** The stream stores a message a moment after its live copy is sent. */
const RETRY_MS = 50;
const GIVE_UP_MS = 500;

export interface ResumeRequest {
  readonly channel: Channel;
  readonly connectionId: string;
  /** Id of the last message that the client has seen. */
  readonly after: string;
  /** Oldest instant that `historyStart` makes visible, ms since 1970; `undefined` without it. */
  readonly visibleSinceMs: number | undefined;
  /** Whether the message was shown to this user. */
  readonly hasSeen: (message: Seen) => boolean;
  /** Whether the connection gets its own messages of this event. */
  readonly echoes: (event: string) => boolean;
  /** Whether the client is still there. */
  readonly isWanted: () => boolean;
}

/** What a client missed; for its `hotsock.subscribed` and right after it. */
export interface Missed {
  readonly complete: boolean;
  readonly frames: readonly Buffer[];
  /** What it has seen, if the channel may still be behind that. */
  readonly seen: Seen | undefined;
}

/**
 * Finds out what resuming clients missed: in the deliver stream, in what arrives meanwhile, and, where the stream does not
 * reach back to the message that the client has seen, in the log.
 */
@Injectable()
export class Resume {
  readonly rights: ResumeRights;
  /** How long the deliver stream keeps a message. */
  private readonly reachMs: number;
  constructor(
    private readonly stream: StreamConnection,
    private readonly log: MissedLog,
    private readonly turns: StreamReadTurns,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) config: Pick<HearthConfig, 'deliverMaxAgeSeconds'>,
    denials: Denials,
  ) {
    this.reachMs = config.deliverMaxAgeSeconds * 1_000;
    this.rights = new ResumeRights(this.reachMs, (uid) => denials.userRevokedMs(uid));
  }

  /**
   * Collects what was missed. The returned function gives it, complete up to the moment of the call: add the subscriber
   * in the same moment. It must be called once, also when the subscription fails.
   *
   * @throws OutageError when no turn to read comes, or nobody waits for it any more
   */
  async collect(request: ResumeRequest): Promise<() => Missed> {
    const { channel, after, connectionId } = request;
    const messages = new MissedMessages(after, connectionId);
    const watch = channel.watch((record) => messages.add(record));
    try {
      const read = await this.read(request, messages);
      return () => {
        watch.stop();
        return missedOf(request, messages, read, channel.intake.last);
      };
    } catch (error) {
      watch.stop();
      throw error;
    }
  }

  private async read(request: ResumeRequest, messages: MissedMessages): Promise<Read> {
    const { channel, after } = request;
    const { last, lastId } = channel.intake;
    if (lastId === after && last !== undefined) {
      messages.found(last);
      return { isWhole: true, logged: [] };
    }
    const isWhole = await this.readStream(request, messages).catch((error: unknown) => {
      if (error instanceof UnwantedError) throw error;
      this.logger.warn({ channel: channel.name, err: error }, 'a resume could not read the deliver stream');
      return false;
    });
    return { isWhole, logged: messages.position === undefined ? await this.readLog(request, messages, lastId) : [] };
  }

  /**
   * Reads the log up to where the stream begins. A message is in the log before it is delivered, so of one that is not
   * known to have been delivered, nobody could say whether it is still to come.
   *
   * @param lastId last message that the channel had delivered before the stream was read
   */
  private async readLog(
    request: ResumeRequest,
    messages: MissedMessages,
    lastId: string | undefined,
  ): Promise<readonly MissedMessage[]> {
    const { channel, after, visibleSinceMs, connectionId, echoes, isWanted } = request;
    const through = messages.oldest?.id ?? lastId ?? firstIdOf(installationNow() - LATEST_MS);
    const sinceMs = maySeeAll(request, undefined) ? 0 : visibleSinceMs;
    if (sinceMs === undefined) return [];
    const range = { channel: channel.name, sinceMs, after, through, ...messages.room };
    const logged = await this.log.read(range, isWanted);
    return logged.filter((message) => message.connectionId !== connectionId || echoes(message.event));
  }

  /**
   * Reads up to what the channel had delivered when this began; what came since, the watch has seen. The message itself
   * may have been shown by another gateway and not be stored yet.
   */
  private async readStream({ channel, after, isWanted }: ResumeRequest, messages: MissedMessages): Promise<boolean> {
    const until = channel.intake.last;
    const readFrom = (start: { timeMs: number } | 'first') =>
      this.turns.take(
        channel.name,
        () => {
          messages.beginReading();
          return readDelivered(this.stream, start, channel.name, (_subject, { record }) => messages.read(record));
        },
        { isWanted },
      );
    const timeMs = Math.max(0, Math.min(idTimeMs(after), installationNow()) - CLOCK_MARGIN_MS);
    const isAll = timeMs < installationNow() - this.reachMs;
    let start: { timeMs: number } | 'first' = { timeMs };
    await readFrom(start);
    // An eager id may be younger than its message.
    if (messages.position === undefined && !isAll) {
      await readFrom('first');
      if (messages.position !== undefined) start = 'first';
    }
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      const isRead = until === undefined || messages.hasRead(until);
      if (isRead && (messages.position !== undefined || !isFresh(after))) return true;
      if (performance.now() >= giveUpAt) return isRead;
      await delay(RETRY_MS);
      await readFrom(start);
    }
  }
}

/** What was found of the time before the channel was watched. */
interface Read {
  /** Whether the stream was read up to where the watch began. */
  readonly isWhole: boolean;
  /** Stored messages that the stream does not hold any more, but for the last, which it may. */
  readonly logged: readonly MissedMessage[];
}

function missedOf(
  request: ResumeRequest,
  messages: MissedMessages,
  { isWhole, logged }: Read,
  until: Position | undefined,
): Missed {
  const { after } = request;
  const { position } = messages;
  const missed = messages.through(until);
  const visible = visibleOf(missed, request, position);
  // Once its position is known, the stream and the channel have told everything.
  const older = position === undefined ? framesOf(logged, new Set(missed.map(({ id }) => id))) : [];
  return {
    complete: isWhole && messages.isUnbroken && visible.length === missed.length,
    frames: newestWithin([...older, ...visible.map(({ frame }) => frame)]),
    seen: position === undefined && isFromFuture(after) ? undefined : { id: after, position },
  };
}

/** What the client may see of what it missed (resume §5). */
function visibleOf(
  missed: readonly DeliverRecord[],
  request: ResumeRequest,
  position: Position | undefined,
): readonly DeliverRecord[] {
  return maySeeAll(request, position) ? missed : missed.filter(({ id }) => isInWindow(id, request));
}

function maySeeAll(request: ResumeRequest, position: Position | undefined): boolean {
  const { after, hasSeen } = request;
  return isInWindow(after, request) || hasSeen({ id: after, position });
}

function isInWindow(id: string, { visibleSinceMs }: ResumeRequest): boolean {
  return visibleSinceMs !== undefined && idTimeMs(id) >= visibleSinceMs;
}

function framesOf(logged: readonly MissedMessage[], known: ReadonlySet<string>): readonly Buffer[] {
  return logged.filter(({ id }) => !known.has(id)).map(frameOfLogged);
}

function newestWithin(frames: readonly Buffer[]): readonly Buffer[] {
  let from = frames.length;
  let bytes = 0;
  while (from > 0 && frames.length - from < MAX_MESSAGES) {
    bytes += frames[from - 1]?.length ?? 0;
    if (bytes > MAX_BYTES) break;
    from--;
  }
  return frames.slice(from);
}

/** Whether a message with this id may not be stored yet. */
function isFresh(id: string): boolean {
  return installationNow() - idTimeMs(id) < LATEST_MS && !isFromFuture(id);
}

/** Whether it is made up: whatever comes would be older. */
function isFromFuture(id: string): boolean {
  return idTimeMs(id) > installationNow() + CLOCK_MARGIN_MS;
}
