import { metaJson } from '@hearth/protocol';
import type { PresenceRow } from './rows';

/** One user of a presence channel. */
export interface Member {
  readonly uid: string;
  readonly umdJson: string;
  /** `{"uid":…,"umd":…}` */
  readonly json: string;
  /** Of `json`, in UTF-8: what counts for the capacity (channels-presence-storage §3.1). */
  readonly bytes: number;
  readonly order: number;
  readonly connectionIds: Set<string>;
}

/** Bytes that a member takes of its channel's capacity. */
export function memberBytes(uid: string, umdJson: string): number {
  return Buffer.byteLength(metaJson({ uid, umdJson }));
}

/**
 * The members of one presence channel, in the order of their first joining. It is what the channel's rows say, kept
 * beside them, because a list of a thousand members is needed after each of a thousand changes.
 */
export class MemberList {
  /** In order: a new uid always comes last. */
  private readonly members = new Map<string, Member>();
  private text: string | undefined;
  private totalBytes = 0;
  private lastOrder = 0;
  private counted = 0;

  constructor(rows: Iterable<PresenceRow>) {
    for (const row of [...rows].sort((a, b) => a.memberOrder - b.memberOrder)) this.enter(row);
  }

  /** UTF-8 bytes of all members, without the commas between them. */
  get bytes(): number {
    return this.totalBytes;
  }

  get size(): number {
    return this.members.size;
  }

  /** Connections that count. */
  get subscriptionsCount(): number {
    return this.counted;
  }

  /** Order of the next new member. */
  get nextOrder(): number {
    return this.lastOrder + 1;
  }

  /** The whole list as JSON text. */
  get json(): string {
    return (this.text ??= `[${Array.from(this.members.values(), ({ json }) => json).join(',')}]`);
  }

  get(uid: string): Member | undefined {
    return this.members.get(uid);
  }

  /** A connection enters; its user becomes a member unless it is one, whose umd stays. */
  enter({ uid, umdJson, connectionId, memberOrder, counted }: PresenceRow): void {
    if (counted) this.counted++;
    const member = this.members.get(uid);
    if (member !== undefined) {
      member.connectionIds.add(connectionId);
      return;
    }
    this.lastOrder = Math.max(this.lastOrder, memberOrder);
    this.put({ uid, umdJson, order: memberOrder, connectionIds: new Set([connectionId]) });
  }

  /** A connection leaves, and with its last connection the user. @returns whether it was the last */
  leave({ uid, connectionId, counted }: PresenceRow): boolean {
    if (counted) this.counted--;
    const member = this.members.get(uid);
    if (member === undefined) return false;
    member.connectionIds.delete(connectionId);
    if (member.connectionIds.size > 0) return false;
    this.members.delete(uid);
    this.totalBytes -= member.bytes;
    this.text = undefined;
    return true;
  }

  /** The user's metadata becomes another. */
  update(member: Member, umdJson: string): Member {
    this.totalBytes -= member.bytes;
    return this.put({ ...member, umdJson });
  }

  private put(member: Pick<Member, 'uid' | 'umdJson' | 'order' | 'connectionIds'>): Member {
    const json = metaJson(member);
    const whole = { ...member, json, bytes: Buffer.byteLength(json) };
    // A uid that is there keeps its place in the map.
    this.members.set(member.uid, whole);
    this.totalBytes += whole.bytes;
    this.text = undefined;
    return whole;
  }
}
