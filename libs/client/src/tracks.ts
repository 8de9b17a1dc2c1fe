import type { SubscribeMembers } from './connection-host';
import type { Frame, FrameData } from './frames';
import { after } from './listeners';
import { type Point, PointStore, resumeParameter } from './points';
import { Seen } from './seen';
import type { TokenClaims } from './token';
import type { Gap } from './types';

/** What a client remembers of a channel over its connections. */
interface Track {
  point: Point;
  readonly seen: Seen;
  /** It was subscribed before: what happens now may have a hole. */
  isOld: boolean;
  /** The hole in front of the next message has been told. */
  isToldOf: boolean;
  autoSubscribed: boolean;
  /** The application calls it so, where that is not its real name. */
  alias?: string;
}

const NEW = { isOld: false, isToldOf: false, autoSubscribed: false };
/** Those that are remembered: a client may look into channels without end. */
const MAX_TRACKS = 1_000;

/**
 * How far a client has come in each channel, and the holes it knows of (client-library §5): the rules of resume.md §6.
 */
export class Tracks {
  private readonly tracks = new Map<string, Track>();
  private readonly realNames = new Map<string, string>();
  uid: string | null | undefined;

  constructor(
    private readonly recover: boolean,
    private readonly store: PointStore,
    private readonly onGap: (gap: Gap, names: readonly string[]) => void,
    /** Of some of them the end of the storage snapshot is asked for. */
    private readonly channels: ReadonlyMap<string, { readonly wantsStorage: true | undefined }>,
  ) {}

  /** A connect token has come. What belongs to another user is forgotten. */
  begin({ uid, channels }: TokenClaims): void {
    const next = uid || null;
    if (this.uid !== undefined && this.uid !== next) this.forgetAll();
    this.uid = next;
    for (const [name, claim] of Object.entries(channels ?? {})) {
      if (claim?.autoSubscribe !== true) continue;
      if (claim.alias) this.named(name, claim.alias);
      this.of(name).autoSubscribed = true;
    }
  }

  /** What goes into the connect URL; `undefined` when this client does not resume. */
  resumeParameter(): undefined | Promise<string> {
    return this.recover ? this.autoSubscribedPoints().then(resumeParameter) : undefined;
  }

  /** What a subscribe frame says besides its token. */
  members(name: string): SubscribeMembers | Promise<SubscribeMembers> {
    const storage = this.channels.get(name)?.wantsStorage;
    if (!this.recover) return { storage };
    const track = this.of(name);
    return after(track.isOld ? undefined : this.load(name), () => ({ resume: wanted(track.point), storage }));
  }

  /** A subscription has begun. */
  subscribed(name: string, alias: string | undefined, { resume }: FrameData): void {
    if (alias !== undefined) this.named(name, alias);
    const track = this.of(name);
    const { isOld, point } = track;
    track.isOld = true;
    const last = point.after ?? null;
    if (resume === undefined) {
      if (this.recover && isOld) this.gap(name, 'unsupported', last, null);
    } else {
      const { complete, ...next } = resume;
      track.point = { ...(complete === false ? {} : point), token: undefined, ...next };
      // Not asked from a point, though there is one: there was no room for it.
      const isCut = last !== null && complete === undefined;
      if (isOld && (complete === false || isCut)) this.gap(name, 'incomplete', last, null);
      this.save(name);
    }
    track.isToldOf = false;
  }

  /** @returns whether the frame has not been here before; its id, or what it is a copy of, is the point from now on */
  take({ id, channel, copy, event }: Frame): boolean {
    if (channel === undefined || (id ?? copy) === undefined) return true;
    const track = this.of(channel);
    track.isToldOf = false;
    const isNew = id === undefined || track.seen.add(id);
    // What was on its way when the channel was left is no point to go on from, and what is shown to another tab once more
    // is behind us; a frame without an event only says how far we are.
    if ((isNew || event === undefined) && track.isOld) {
      track.point = { ...track.point, ...(copy ? { copy } : { after: id }) };
    }
    return isNew;
  }

  /** The handlers of a frame have run. */
  done({ id, channel, copy }: Frame): void {
    if (channel !== undefined && (id ?? copy) !== undefined) this.save(channel);
  }

  missed(name: string, { after = null, before = null }: FrameData): void {
    this.gap(name, 'missed', after, before);
    this.of(name).isToldOf = true;
  }

  /** Messages of any channel may be missing. */
  allMissed(): void {
    for (const [name, { isOld, point }] of this.tracks) if (isOld) this.missed(name, point);
  }

  /** It is not wanted any more: where it goes on is forgotten, what was given is not. */
  forget(name: string): void {
    const track = this.of(name);
    this.write(name, undefined);
    Object.assign(track, { ...NEW, point: {}, alias: undefined });
    if (this.tracks.size > MAX_TRACKS) this.tracks.delete(this.realName(name));
  }

  forgetAll(): void {
    for (const name of [...this.tracks.keys()]) this.forget(name);
    this.realNames.clear();
    this.store.flush();
  }

  private gap(name: string, reason: string, after: string | null, before: string | null): void {
    const track = this.of(name);
    if (track.isToldOf) return;
    this.onGap({ channel: name, reason, after, before }, track.alias === undefined ? [name] : [name, track.alias]);
  }

  private named(name: string, alias: string): void {
    this.realNames.set(alias, name);
    const early = this.tracks.get(alias);
    this.tracks.delete(alias);
    const track = this.of(name);
    track.alias = alias;
    if (!early?.isOld || track.isOld) return;
    track.point = early.point;
    track.isOld = true;
  }

  private realName(name: string): string {
    return this.realNames.get(name) ?? name;
  }

  private of(name: string): Track {
    const real = this.realName(name);
    let track = this.tracks.get(real);
    if (track === undefined) {
      track = { point: {}, seen: new Seen(), ...NEW };
      this.tracks.set(real, track);
    }
    return track;
  }

  private load(name: string): void | Promise<void> {
    const track = this.of(name);
    return after(this.store.load(this.uid ?? null, name), (point) => {
      if (point === undefined || track.isOld) return;
      track.point = point;
      track.isOld = true;
    });
  }

  private async autoSubscribedPoints(): Promise<ReadonlyMap<string, Point>> {
    const points = new Map<string, Point>();
    for (const [name, track] of this.tracks) {
      if (!track.autoSubscribed) continue;
      if (!track.isOld) await this.load(name);
      const { alias = name, point } = track;
      const storage = this.channels.get(name)?.wantsStorage || this.channels.get(alias)?.wantsStorage;
      if (storage || wanted(point) !== true) points.set(name, { ...point, storage });
    }
    return points;
  }

  private save(name: string): void {
    const { point, isOld } = this.of(name);
    if (this.recover && isOld) this.write(name, point);
  }

  private write(name: string, point: Point | undefined): void {
    for (const key of [this.realName(name), this.of(name).alias]) {
      if (key !== undefined) this.store.save(this.uid ?? null, key, point);
    }
  }
}

/** What is asked for: all since the point, or to be given one. */
function wanted(point: Point): Point | true {
  return (point.after ?? point.token) === undefined ? true : point;
}
