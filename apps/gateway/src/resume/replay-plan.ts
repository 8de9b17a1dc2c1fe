import { installationNow } from '@hearth/timing';
import { idTimeMs, partitionOfId, sequenceOfId } from '@hearth/protocol';
import { comparePositions, Position } from '@hearth/wire';
import type { DeliveredPage, StartAt, StoredDeliverRecord, StreamExtent } from '@hearth/stream';
import type { LogRange, NotedEnd } from '@hearth/store';
import type { Hole } from '../channel/intake';
import { ResumeRight } from './resume-right';
import type { ResumeStart } from './resume-token';

/**
 * How a resume is answered (resume §3): a question of places, never of ids or of what the stream does not hold. That
 * nothing is missing has to be proved, by a record that names the one before it or by a note of where the channel ended;
 * a stream that holds nothing may have been purged.
 */
export interface ReplayPlan {
  /** Every message behind the point is in the replay. */
  readonly complete: boolean;
  /** The client has, or shall not have, what stands up to here; `undefined`: ids decide. */
  readonly through: Position | undefined;
  /** Where the stream is read from; `undefined`: behind what the channel has when the subscription begins. */
  readonly startAt: StartAt | undefined;
  /** Stored messages that are to be read from the log first. */
  readonly logged: LogRange | undefined;
  readonly sees: (stored: StoredDeliverRecord) => boolean;
  /**
   * Id of a message that the client has and this gateway does not know: it, and what comes before it, may still come here,
   * and is not for this client.
   */
  readonly ahead?: string;
  /** The replay begins behind a hole of live traffic. */
  readonly hole?: Hole;
  /** Where the next token's right begins; `undefined`: with this subscription. */
  readonly from: ResumeStart | undefined;
}

/** What a channel has to say about itself when it is resumed. */
export interface ResumedChannel {
  readonly name: string;
  /** Place and id of the last message that was taken in; `undefined` when none is known. */
  readonly last: Position | undefined;
  readonly lastId: string | undefined;
  /** Where a right begins that begins now. */
  end(): ResumeStart;
}

/** What a client asks with. */
export interface ResumeQuestion {
  readonly channel: ResumedChannel;
  readonly partition: number;
  /** Id of the last message that it has seen. */
  readonly after: string | undefined;
  /** What its token says; `undefined` without one. */
  readonly from: ResumeStart | undefined;
  readonly right: ResumeRight;
}

/** Where what was missed is read. */
export interface ReplaySource {
  page(channel: string, startAt: StartAt): Promise<DeliveredPage>;
  /** The newest that the stream holds of a channel. */
  newest(channel: string): Promise<StoredDeliverRecord | undefined>;
  extent(): Promise<StreamExtent>;
  notedEnd(channel: string, partition: number): Promise<NotedEnd | undefined>;
}

/** The place of the message that the client saw last, and how it is known that the stream holds all behind it. */
interface Proof {
  readonly position: Position | undefined;
  /** As in `ResumeStart`. */
  readonly streamCreatedMs: number;
  readonly streamSequence: number;
}

/** Clocks of those who make eager ids may be ahead of the stream's, and messages are stored a little after their id. */
const CLOCK_MARGIN_MS = 2_000;

const NOTHING = { through: undefined, startAt: undefined, logged: undefined, sees: () => false, from: undefined };

/** Nothing old, and no promise. */
const NO_REPLAY: ReplayPlan = { ...NOTHING, complete: false };

/**
 * The answer to one with a token that is unusable, or without any right. What it has seen is not shown to it again, unless
 * it names something from the future: whatever comes would be older than that, so nobody has seen it.
 */
export function noReplay(question: Pick<ResumeQuestion, 'channel' | 'partition' | 'after'>): ReplayPlan {
  return isUnheardOf(question) ? { ...NO_REPLAY, ahead: aheadOf(question.after) } : NO_REPLAY;
}

function aheadOf(after: string | undefined): string | undefined {
  return after === undefined || idTimeMs(after) > installationNow() + CLOCK_MARGIN_MS ? undefined : after;
}

/** So far behind now a replay after a hole begins to read: longer than the search for what was missing took. */
const HOLE_MS = 60_000;

/**
 * How a subscription goes on behind a hole of live traffic (resume §4).
 *
 * @param last place of the last message before it
 */
export function planBehindHole(last: Position | undefined, hole: Hole): ReplayPlan {
  const startAt = { timeMs: Math.max(0, installationNow() - HOLE_MS) };
  return { ...NOTHING, complete: false, through: last, startAt, sees: () => true, hole };
}

/** @throws Error when NATS or Postgres do not answer; nothing has happened then */
export async function planReplay(question: ResumeQuestion, source: ReplaySource): Promise<ReplayPlan> {
  const { channel, after, from, right } = question;
  const { last } = channel;
  const end = channel.end();
  if (last !== undefined && isNewest(question) && isOfLife(question, end.streamCreatedMs)) {
    return {
      ...NOTHING,
      complete: true,
      through: last,
      startAt: { sequence: end.streamSequence + 1 },
      sees: () => true,
      from: end,
    };
  }
  if (isUnheardOf(question)) return planUnheardOf(question, source);
  if (right.isNone) return NO_REPLAY;
  const known = after === undefined || after === from?.id ? from?.position : undefined;
  const isKnown = known !== undefined || after === undefined;
  const lifeMs = await createdMs(source);
  const isSameLife = isOfLife(question, lifeMs);
  const start = startOf(question, lifeMs);
  const found = isKnown ? undefined : await search(channel, after ?? '', start, source);
  if (found?.message !== undefined && isSameLife) return planFrom(question, found, await createdMs(source));

  const page = found?.page ?? (await source.page(channel.name, start));
  const next = page.records.find(({ record }) => known === undefined || comparePositions(record.position, known) > 0);
  const proof = await prove(question, known, isKnown, next, source);
  const streamCreatedMs = await createdMs(source);
  const sees = (stored: StoredDeliverRecord): boolean =>
    right.sees(stored, streamCreatedMs) &&
    (proof !== undefined || after === undefined || isKnown || stored.record.id > after);
  const complete =
    proof !== undefined &&
    isSameLife &&
    right.beginsAt(after, proof.position) &&
    (proof.position === undefined || proof.position.epoch === (next?.record.position ?? last ?? proof.position).epoch);
  if (complete) {
    const begin = { ...proof, id: after ?? from?.id, atMs: beginOf(after, from) };
    return { complete, through: proof.position, startAt: start, logged: undefined, sees, from: begin };
  }
  const first = page.records.find(sees);
  // What was stored between what is left of an earlier life and this one comes from the log.
  const ofThisLife = isSameLife ? [] : page.records.filter(({ record }) => idTimeMs(record.id) >= lifeMs);
  return {
    complete,
    through: known ?? proof?.position,
    startAt: start,
    logged: {
      after: [after ?? '', right.firstId],
      before: beginningOf(ofThisLife.length > 0 ? ofThisLife : page.records, question),
    },
    sees,
    // Nobody knows its place, and it may still come here.
    ahead: isKnown || proof !== undefined ? undefined : aheadOf(after),
    from: first === undefined ? undefined : before(first, streamCreatedMs),
  };
}

/**
 * The message may be made up. Or another gateway was ahead of this one when it showed it, which is so for longer than a
 * moment when what was sent to this one has been lost; then the stream is ahead too, as a rule.
 */
async function planUnheardOf(question: ResumeQuestion, source: ReplaySource): Promise<ReplayPlan> {
  const { channel, after = '', right } = question;
  const ahead = noReplay(question);
  if (ahead.ahead === undefined || right.isNone) return ahead;
  const newest = await source.newest(channel.name);
  if (newest === undefined || isUpTo(newest.record.position, channel.last)) return ahead;
  const found = await search(channel, after, startOf(question, await createdMs(source)), source);
  return found?.message === undefined ? ahead : planFrom(question, found, await createdMs(source));
}

/** The message was found: what stands behind it in the stream is what was missed. */
function planFrom(question: ResumeQuestion, found: Search, streamCreatedMs: number): ReplayPlan {
  const { after, right, from } = question;
  const { message, next } = found;
  const position = message?.record.position;
  const mayBegin = right.beginsAt(after, position);
  const isLinked = next?.record.previous === undefined || isUpTo(next.record.previous, position);
  const begin = {
    position,
    id: after,
    streamCreatedMs,
    streamSequence: message?.sequence ?? 0,
    atMs: beginOf(after, from),
  };
  return {
    complete: mayBegin && isLinked && (next === undefined || next.record.position.epoch === position?.epoch),
    through: position,
    startAt: { sequence: (message?.sequence ?? 0) + 1 },
    logged: undefined,
    sees: mayBegin ? () => true : (stored) => right.sees(stored, streamCreatedMs),
    from: mayBegin ? begin : from,
  };
}

/**
 * Whether the client's point is of this life of the deliver stream. One that lost its tail begins another (`deliver-life.ts`), and
 * what follows there names what was left before it, as if nothing had been between.
 *
 * @param createdMs when this life began, ms since 1970; 0 while that is not known
 */
function isOfLife({ after, from }: ResumeQuestion, createdMs: number): boolean {
  if (createdMs === 0 || from?.streamCreatedMs === createdMs) return true;
  // A gateway that has just started may not know yet which life it is.
  if (from?.streamCreatedMs === 0 && from.atMs >= createdMs) return true;
  return after !== undefined && idTimeMs(after) >= createdMs;
}

/** How it is known that the stream holds everything behind the place; `undefined` when it is not. */
async function prove(
  { channel, partition, after, from }: ResumeQuestion,
  known: Position | undefined,
  isKnown: boolean,
  next: StoredDeliverRecord | undefined,
  source: ReplaySource,
): Promise<Proof | undefined> {
  const named = next?.record.previous;
  const place = isKnown || after === undefined ? known : placeIn(partition, after, named);
  if (next !== undefined && place !== undefined && named !== undefined && isUpTo(named, place)) {
    return { position: place, streamCreatedMs: await createdMs(source), streamSequence: next.sequence - 1 };
  }
  // The extent is looked at after the page was read: what it still has, it had then.
  const extent = await source.extent();
  if (isKnown && from !== undefined && isWholeSince(from, extent)) return { ...from, position: known };
  const noted = await source.notedEnd(channel.name, partition);
  if (noted === undefined) return undefined;
  const { note, end } = noted;
  const begin = { streamCreatedMs: Date.parse(note.deliverCreated), streamSequence: note.deliverSeq };
  if (!isWholeSince(begin, extent)) return undefined;
  if (end === undefined) return isKnown && from?.id === undefined ? { ...begin, position: known } : undefined;
  const position = { epoch: end.streamEpoch, sequence: end.seq };
  if (isKnown) return known !== undefined && isUpTo(position, known) ? { ...begin, position: known } : undefined;
  return end.id === after ? { ...begin, position } : undefined;
}

/** The place of a message that the record behind it names, when its id says the same. */
function placeIn(partition: number, id: string, named: Position | undefined): Position | undefined {
  return named !== undefined && tellsPlace(id, named, partition) ? named : undefined;
}

interface Search {
  /** The message itself; `undefined` when the stream does not hold it. */
  readonly message: StoredDeliverRecord | undefined;
  /** What stands right behind it, if that came along. */
  readonly next: StoredDeliverRecord | undefined;
  /** Without the message: what the stream holds from the beginning of the search. */
  readonly page: DeliveredPage | undefined;
}

/** Looks for a message where its id says that it is; what is read on the way is no more than what it will be sent. */
async function search(
  channel: ResumedChannel,
  id: string,
  start: StartAt,
  source: ReplaySource,
): Promise<Search | undefined> {
  let first: DeliveredPage | undefined;
  for (let startAt = start; ;) {
    const page = await source.page(channel.name, startAt);
    first ??= page;
    const index = page.records.findIndex(({ record }) => record.id === id);
    if (index >= 0) return { message: page.records[index], next: page.records[index + 1], page: undefined };
    const last = page.records.at(-1);
    if (page.isLast || last === undefined || isBeyond(last, id)) {
      return { message: undefined, next: undefined, page: first };
    }
    startAt = { sequence: last.sequence + 1 };
  }
}

/** Whether a message cannot stand behind this record any more. */
function isBeyond({ record }: StoredDeliverRecord, id: string): boolean {
  return idTimeMs(record.id) > idTimeMs(id) + 2 * CLOCK_MARGIN_MS;
}

/** Where the search for what was missed begins: with the message, or with what may be shown if that comes later. */
function startOf({ after, from, right }: ResumeQuestion, streamCreatedMs: number): StartAt {
  const firstMs = after === undefined ? undefined : Math.min(idTimeMs(after), installationNow());
  if (from !== undefined && (firstMs === undefined || from.atMs >= firstMs || after === from.id)) {
    if (from.streamCreatedMs === streamCreatedMs) return { sequence: from.streamSequence + 1 };
    return { timeMs: Math.max(0, from.atMs - CLOCK_MARGIN_MS) };
  }
  const visibleMs = right.firstId === '' ? 0 : idTimeMs(right.firstId);
  return { timeMs: Math.max(0, Math.max(firstMs ?? 0, visibleMs) - CLOCK_MARGIN_MS) };
}

/** Whether the client has the channel's newest message. */
function isNewest({ channel: { last, lastId }, after, from }: ResumeQuestion): boolean {
  if (after !== undefined) return after === lastId || (after === from?.id && isSame(from.position, last));
  return isSame(from?.position, last);
}

/**
 * Whether nobody can have seen such a message: it would be newer than the newest, which tells its own place, so that
 * nothing before it has a greater id.
 */
export function isUnheardOf({
  channel: { last, lastId },
  partition,
  after,
}: Pick<ResumeQuestion, 'channel' | 'partition' | 'after'>): boolean {
  if (after === undefined || last === undefined || lastId === undefined || after <= lastId) return false;
  return tellsPlace(lastId, last, partition);
}

/** Whether an id was made for the place of its message: others were made before that was known. */
export function tellsPlace(id: string, { sequence }: Position, partition: number): boolean {
  return partitionOfId(id) === partition && sequenceOfId(id) === sequence;
}

/** Ids by which the log knows where the stream begins: up to the first that tells its place. */
function beginningOf(
  records: readonly StoredDeliverRecord[],
  { channel: { lastId }, partition }: ResumeQuestion,
): readonly string[] {
  // A stream that has just been made anew gets what it could not take before behind what came since.
  const inOrder = [...records].sort((a, b) => comparePositions(a.record.position, b.record.position));
  const end = inOrder.findIndex(({ record: { id, position } }) => tellsPlace(id, position, partition));
  if (records.length > 0) return inOrder.slice(0, end < 0 ? undefined : end + 1).map(({ record }) => record.id);
  return lastId === undefined ? [] : [lastId];
}

function isWholeSince(
  { streamCreatedMs, streamSequence }: Pick<ResumeStart, 'streamCreatedMs' | 'streamSequence'>,
  { created, first }: StreamExtent,
): boolean {
  return Date.parse(created) === streamCreatedMs && first <= streamSequence + 1;
}

async function createdMs(source: ReplaySource): Promise<number> {
  return Date.parse((await source.extent()).created);
}

function beginOf(after: string | undefined, from: ResumeStart | undefined): number {
  return Math.max(from?.atMs ?? 0, after === undefined ? 0 : Math.min(idTimeMs(after), installationNow()));
}

/** The place right before a record. */
function before({ record, sequence }: StoredDeliverRecord, streamCreatedMs: number): ResumeStart {
  const { epoch, sequence: place } = record.position;
  return {
    position: { epoch, sequence: place - 1 },
    id: undefined,
    streamCreatedMs,
    streamSequence: sequence - 1,
    atMs: idTimeMs(record.id),
  };
}

function isUpTo(position: Position, limit: Position | undefined): boolean {
  return limit !== undefined && comparePositions(position, limit) <= 0;
}

function isSame(one: Position | undefined, other: Position | undefined): boolean {
  return one !== undefined && other !== undefined && comparePositions(one, other) === 0;
}
