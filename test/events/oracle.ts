import type { Frame } from '../support/ws-client';
import type { StoredEvent } from './backend';
import { EVENT_TYPES, malformations } from './envelope';
import type { ConnectionEntry, Deed, DeedKind, SubscriptionEntry } from './journal';
import { isBrief } from './server-publisher';

/** What is compared. */
export interface Evidence {
  /** All of the stream, in its order. */
  readonly events: readonly StoredEvent[];
  readonly deeds: readonly Deed[];
  /** All of them have been closed. */
  readonly connections: readonly ConnectionEntry[];
  /** All that came to somebody who was the first and the last in every channel. */
  readonly observer: { readonly uid: string; readonly umd: unknown; readonly frames: readonly Frame[] };
  readonly channels: readonly string[];
}

type Complain = (what: string) => void;

const isPresence = (channel: string): boolean => channel.startsWith('presence.');
const nameOf = ({ envelope }: StoredEvent): string => String(envelope.type).replace('hotsock.', '');
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const brief = (event: StoredEvent | undefined): string =>
  event === undefined ? 'nothing' : `${nameOf(event)} ${JSON.stringify(event.envelope.data).slice(0, 160)}`;

/**
 * Compares the events with what the clients saw and were told. It knows nothing about how the system works: each
 * sentence it returns is a broken promise to a backend.
 */
export function judge({ events, deeds, connections, observer, channels }: Evidence): string[] {
  const complaints: string[] = [];
  const complain: Complain = (what) => void complaints.push(what);
  judgeEach(events, complain);
  judgeConnections(events, connections, complain);
  judgeDeeds(events, deeds, complain);
  for (const channel of channels) {
    const own = events.filter(({ envelope }) => envelope.metadata.channel === channel);
    judgeAgainstFrames(channel, own, framesOf(channel, observer), complain);
    judgeSubscriptions(channel, own, connections, complain);
    judgeCounts(channel, own, complain);
    judgeEntries(channel, own, complain);
  }
  return complaints;
}

/** Every event is well formed and has an id of its own, and all types are there. */
function judgeEach(events: readonly StoredEvent[], complain: Complain): void {
  const ids = new Set<string>();
  const subjects = new Set<string>();
  for (const event of events) {
    for (const what of malformations(event)) complain(`malformed: ${brief(event)}: ${what}`);
    const id = event.headers['Nats-Msg-Id']?.[0] ?? '';
    if (ids.has(id)) complain(`twice: Nats-Msg-Id ${id}: ${brief(event)}`);
    ids.add(id);
    // A message or a reaction is named by an id; a reaction is added and removed once.
    if (event.envelope.data.id === undefined || event.envelope.dataType === 'connection') continue;
    const subject = `${nameOf(event)} ${event.envelope.data.id}`;
    if (subjects.has(subject)) complain(`twice: ${brief(event)}`);
    subjects.add(subject);
  }
  for (const type of EVENT_TYPES) {
    if (!events.some((event) => nameOf(event) === type)) complain(`none: there is no ${type} at all`);
  }
}

/** `connected`, a `connectionUpdated` for each change, `disconnected`, and everything else in between (§4.4). */
function judgeConnections(
  events: readonly StoredEvent[],
  connections: readonly ConnectionEntry[],
  complain: Complain,
): void {
  const byConnection = new Map<string, StoredEvent[]>(connections.map(({ id }) => [id, []]));
  for (const event of events) {
    const { dataType, data } = event.envelope;
    if (dataType !== 'connection' && dataType !== 'subscription') continue;
    const own = byConnection.get(dataType === 'connection' ? data.id : data.connectionId);
    if (own === undefined) complain(`phantom: ${brief(event)} of no connection`);
    else own.push(event);
  }
  for (const { id, uid, umds } of connections) {
    const all = byConnection.get(id) ?? [];
    const own = all.filter(({ envelope }) => envelope.dataType === 'connection');
    const expected = [['connected', umds[0]], ...umds.slice(1).map((umd) => ['connectionUpdated', umd])];
    const wanted = [...expected, ['disconnected', umds.at(-1)]].map(([name, umd]) => [name, uid, umd]);
    const got = own.map((event) => [nameOf(event), event.envelope.data.uid, event.envelope.data.umd]);
    if (!same(got, wanted)) complain(`connection ${id}: ${JSON.stringify(got)} instead of ${JSON.stringify(wanted)}`);
    if (all[0] !== own[0]) complain(`connection ${id}: ${brief(all[0])} came before connected`);
    if (all.at(-1) !== own.at(-1)) complain(`connection ${id}: ${brief(all.at(-1))} came after disconnected`);
    for (const { envelope } of own) {
      if ((envelope.data.disconnectedAt === null) === (envelope.type === 'hotsock.disconnected')) {
        complain(`connection ${id}: ${envelope.type} has disconnectedAt ${envelope.data.disconnectedAt}`);
      }
    }
  }
}

/** What was accepted has its event, what was refused has none, and nothing has two. */
function judgeDeeds(events: readonly StoredEvent[], deeds: readonly Deed[], complain: Complain): void {
  const found = new Map<string, StoredEvent[]>();
  for (const event of events) {
    const [kind, key] = deedOf(event) ?? [];
    if (kind === undefined) continue;
    const place = `${kind} ${key}`;
    found.set(place, [...(found.get(place) ?? []), event]);
  }
  for (const { kind, key, channel, fate, isSilent, trigger } of deeds) {
    const place = `${kind} ${key}`;
    const own = found.get(place) ?? [];
    found.delete(place);
    if (own.length > 1) complain(`twice: ${place} has ${own.length} events`);
    if (own.length > 0 && isSilent === true) complain(`phantom: ${place} was to be silent`);
    if (own.length > 0 && fate === 'refused') complain(`phantom: ${place} was refused`);
    if (own.length === 0 && fate === 'accepted' && isSilent !== true) complain(`lost: ${place} of ${channel}`);
    for (const { envelope } of own) {
      if (envelope.metadata.channel !== channel) complain(`${place}: of the channel ${envelope.metadata.channel}`);
      if (envelope.metadata.trigger !== trigger) complain(`${place}: trigger ${envelope.metadata.trigger}`);
    }
  }
  for (const [place, [event]] of found) complain(`phantom: nobody asked for ${place}: ${brief(event)}`);
}

/** What the event of a deed shows, and of which one. */
function deedOf(event: StoredEvent): [DeedKind, string] | undefined {
  const { data } = event.envelope;
  switch (nameOf(event)) {
    case 'messagePublished':
      return ['message', data.data?.key];
    case 'channelStorageUpdated':
      return data.expired === true ? undefined : ['storage', data.data?.key];
    case 'messageReactionAdded':
      return ['reactionAdded', data.reaction];
    case 'messageReactionRemoved':
      return ['reactionRemoved', data.reaction];
    case 'memberUpdated':
      // By subscribing anew, or by an update for all channels, nobody sets a key.
      return data.umd?.key === undefined ? undefined : ['umd', data.umd.key];
    default:
      return undefined;
  }
}

/** What is told in events of a channel in the same words as an observer's frames, in one list and one order. */
function judgeAgainstFrames(
  channel: string,
  events: readonly StoredEvent[],
  frames: readonly string[],
  complain: Complain,
): void {
  const told = events.flatMap(wordsOf);
  const place = told.findIndex((words, index) => words !== frames[index]);
  if (place < 0 && told.length === frames.length) return;
  const at = place < 0 ? told.length : place;
  complain(
    `order of ${channel}: ${told.length} events, ${frames.length} frames; at ${at} there is ${told[at]} instead of ${frames[at]}`,
  );
  const [inEvents, inFrames] = [new Set(told), new Set(frames)];
  for (const words of frames) if (!inEvents.has(words)) complain(`lost in ${channel}: ${words}`);
  for (const words of told) if (!inFrames.has(words)) complain(`phantom in ${channel}: ${words}`);
}

function wordsOf(event: StoredEvent): string[] {
  const { data } = event.envelope;
  const name = nameOf(event);
  switch (name) {
    case 'messagePublished':
      return [JSON.stringify([name, data.id, data.event, data.data, data.meta ?? null])];
    case 'messageReactionAdded':
    case 'messageReactionRemoved':
      return [JSON.stringify([name, data.messageId, data.reaction, data.uid])];
    case 'channelStorageUpdated':
      return data.expired === true ? [] : [JSON.stringify([name, data.key, data.data, data.meta])];
    case 'memberAdded':
    case 'memberUpdated':
    case 'memberRemoved':
      return [JSON.stringify([name, data.uid, data.umd, data.members])];
    default:
      return [];
  }
}

/** The observer's frames in the words of events, with its own coming and going, of which it is told nothing. */
function framesOf(channel: string, { uid, umd, frames }: Evidence['observer']): string[] {
  const words = frames.flatMap((frame) => (frame.channel === channel ? frameWords(frame) : []));
  if (!isPresence(channel)) return words;
  const self = [uid, umd] as const;
  return [
    JSON.stringify(['memberAdded', ...self, [{ uid, umd }]]),
    ...words,
    JSON.stringify(['memberRemoved', ...self, []]),
  ];
}

function frameWords({ id, event, key, data, meta }: Frame): string[] {
  const name = String(event).replace('hotsock.', '');
  switch (name) {
    case 'messageReactionAdded':
    case 'messageReactionRemoved':
      return [JSON.stringify([name, data.messageId, data.reaction, meta.uid])];
    case 'channelStorageUpdated':
      return [JSON.stringify([name, key, data, meta])];
    case 'memberAdded':
    case 'memberUpdated':
    case 'memberRemoved':
      return [JSON.stringify([name, data.member.uid, data.member.umd, data.members])];
    case 'said':
      return [JSON.stringify(['messagePublished', id, event, data, meta ?? null])];
    default:
      return [];
  }
}

/** Each subscription began and ended once, as its connection was told. */
function judgeSubscriptions(
  channel: string,
  events: readonly StoredEvent[],
  connections: readonly ConnectionEntry[],
  complain: Complain,
): void {
  const own = new Map<string, StoredEvent[]>();
  for (const event of events) {
    if (event.envelope.dataType !== 'subscription') continue;
    const { connectionId } = event.envelope.data;
    own.set(connectionId, [...(own.get(connectionId) ?? []), event]);
  }
  for (const { id, uid, subscriptions } of connections) {
    const all = own.get(id) ?? [];
    const where = `subscriptions of ${id} to ${channel}`;
    all.forEach((event, index) => {
      const expected = index % 2 === 0 ? 'subscribed' : 'unsubscribed';
      if (nameOf(event) !== expected) complain(`${where}: ${index}. ${brief(event)} instead of ${expected}`);
      if (event.envelope.data.uid !== uid) complain(`${where}: uid of ${brief(event)}`);
    });
    if (all.length % 2 !== 0) complain(`${where}: the last one has not ended`);
    const begun = all.filter((event) => nameOf(event) === 'subscribed').map(({ envelope }) => envelope.data);
    if (
      !fit(
        begun,
        subscriptions.filter((entry) => entry.channel === channel),
      )
    ) {
      complain(`${where}: ${JSON.stringify(begun)} do not fit ${JSON.stringify(subscriptions)}`);
    }
  }
}

/** Whether the events are those of the accepted subscriptions, in order, with one or none of each unknown one between. */
function fit(begun: readonly Frame[], entries: readonly SubscriptionEntry[]): boolean {
  const [entry, ...others] = entries;
  if (entry === undefined) return begun.length === 0;
  const [first, ...rest] = begun;
  if (entry.fate === 'unknown') return fit(begun, others) || (first !== undefined && fit(rest, others));
  return first !== undefined && same({ uid: first.uid, umd: first.umd }, entry.meta) && fit(rest, others);
}

/** Every beginning and end is told as channels-presence-storage §2 says: the member, the subscription, the new count. */
function judgeCounts(channel: string, events: readonly StoredEvent[], complain: Complain): void {
  const connectionsOf = new Map<string, number>();
  let total = 0;
  const told = { member: 0, count: 0 };
  events.forEach((event, index) => {
    const name = nameOf(event);
    if (name === 'memberAdded' || name === 'memberRemoved') told.member++;
    if (name === 'channelUpdated') told.count++;
    if (name !== 'subscribed' && name !== 'unsubscribed') return;
    const by = name === 'subscribed' ? 1 : -1;
    total += by;
    const next = events[index + 1];
    if (next === undefined || nameOf(next) !== 'channelUpdated' || next.envelope.data.subscriptionsCount !== total) {
      complain(`counts of ${channel}: ${brief(event)} is followed by ${brief(next)}, not by the count ${total}`);
    }
    if (next !== undefined) told.count--;
    if (!isPresence(channel)) return;
    const { uid } = event.envelope.data;
    const left = (connectionsOf.get(uid) ?? 0) + by;
    connectionsOf.set(uid, left);
    if (left !== (by > 0 ? 1 : 0)) return;
    const before = events[index - 1];
    const expected = by > 0 ? 'memberAdded' : 'memberRemoved';
    if (before === undefined || nameOf(before) !== expected || before.envelope.data.uid !== uid) {
      complain(`members of ${channel}: ${brief(event)} comes after ${brief(before)}, not after ${expected}`);
    }
    told.member--;
  });
  if (total !== 0) complain(`counts of ${channel}: at the end there are ${total}`);
  if (told.count !== 0) complain(`counts of ${channel}: ${told.count} channelUpdated of no subscription`);
  if (told.member !== 0) complain(`members of ${channel}: ${told.member} came or went without a subscription`);
}

/** Each change of an entry names the value before it, and what was to end has ended. */
function judgeEntries(channel: string, events: readonly StoredEvent[], complain: Complain): void {
  const last = new Map<string, Frame>();
  for (const event of events) {
    if (nameOf(event) !== 'channelStorageUpdated') continue;
    const { key, dataPrevious, expired, expiresAt, data } = event.envelope.data;
    const before = last.get(key);
    if (!same(dataPrevious, before?.data ?? null)) {
      complain(`entry ${key} of ${channel}: ${brief(event)} after ${JSON.stringify(before)}`);
    }
    if (expired === true && (data !== null || before?.data == null || expiresAt !== before.expiresAt)) {
      complain(`entry ${key} of ${channel}: ${brief(event)} ends ${JSON.stringify(before)}`);
    }
    last.set(key, event.envelope.data);
  }
  for (const [key, { data }] of last) {
    if (isBrief(key) && data !== null) complain(`entry ${key} of ${channel} has not ended`);
  }
}
