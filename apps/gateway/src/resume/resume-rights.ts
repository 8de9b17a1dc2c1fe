import { firstIdOf } from '@hearth/protocol';
import { comparePositions, Position } from '@hearth/wire';
import type { Intake, Seen } from '../channel/intake';

/** What one user was shown of one channel. */
interface Right {
  /** The channel's last message when the user came; `undefined` when it had none that anybody knew. */
  readonly since: Position | undefined;
  readonly sinceId: string;
  /** When that was, ms since 1970. */
  readonly sinceMs: number;
  /** Subscriptions that there are. */
  active: number;
  endedAtMs: number;
  /** Last message that was delivered before the end. */
  last: Position | undefined;
  lastId: string;
}

/** Whoever leaves for longer than this is known by the stream and the log only. */
const REMEMBER_MS = 600_000;
/** Some 500 bytes each. A right that is lost earlier costs no message: the resume is bounded by the history window. */
const MAX_ENDED = 100_000;

/**
 * What the users of this gateway were subscribed to lately: who has seen a message may see what came after it, even
 * without `historyStart` (resume §5).
 */
export class ResumeRights {
  private readonly active = new Map<string, Right>();
  /** In the order in which they ended. */
  private readonly ended = new Map<string, Right>();

  /**
   * @param reachMs how long the deliver stream keeps a message: so long a right may be worth something
   * @param revokedMs when tokens of a user were last revoked, ms since 1970: rights from before are none (management-api §4)
   * @param maxEnded rights of users who have left; of more, the latest, at least nine tenths of so many
   */
  constructor(
    private readonly reachMs: number,
    private readonly revokedMs: (uid: string) => number | undefined = () => undefined,
    private readonly maxEnded = MAX_ENDED,
  ) {}

  /** @param sinceMs when the subscription began, ms since 1970 */
  entered(uid: string | null, { name, last }: Pick<Intake, 'name' | 'last'>, sinceMs: number): void {
    if (uid === null) return;
    const key = keyOf(uid, name);
    const known = this.active.get(key) ?? this.ended.get(key);
    const right =
      known !== undefined && this.isGood(uid, known)
        ? known
        : {
            since: last,
            sinceId: firstIdOf(sinceMs),
            sinceMs,
            active: known?.active ?? 0,
            endedAtMs: 0,
            last: undefined,
            lastId: '',
          };
    right.active++;
    this.ended.delete(key);
    this.active.set(key, right);
  }

  left(uid: string | null, { name, last, lastId }: Pick<Intake, 'name' | 'last' | 'lastId'>): void {
    if (uid === null) return;
    const key = keyOf(uid, name);
    const right = this.active.get(key);
    if (right === undefined || --right.active > 0) return;
    right.endedAtMs = performance.now();
    right.last = last;
    right.lastId = lastId ?? '';
    this.active.delete(key);
    this.ended.set(key, right);
    if (this.ended.size > this.maxEnded) this.makeRoom();
  }

  /** Whether the message was delivered to a connection of this user. Without a position its id decides. */
  covers(uid: string | null, channel: string, { id, position }: Seen): boolean {
    if (uid === null) return false;
    const key = keyOf(uid, channel);
    const right = this.active.get(key) ?? this.ended.get(key);
    if (right === undefined || !this.isGood(uid, right)) return false;
    const { since, last, sinceId, lastId } = right;
    const isActive = right.active > 0;
    if (position === undefined) return id >= sinceId && (isActive || id <= lastId);
    if (since !== undefined && comparePositions(position, since) <= 0) return false;
    return isActive || (last !== undefined && comparePositions(position, last) <= 0);
  }

  /** Forgets rights that are worth nothing any more; called by the gateway's timer. */
  sweep(nowMs: number): void {
    const rememberMs = Math.max(REMEMBER_MS, this.reachMs);
    for (const [key, { endedAtMs }] of this.ended) {
      if (nowMs - endedAtMs <= rememberMs) return;
      this.ended.delete(key);
    }
  }

  private isGood(uid: string, { sinceMs }: Right): boolean {
    return sinceMs >= (this.revokedMs(uid) ?? 0);
  }

  /** Forgets the oldest tenth at once: finding the first of a map from which the first are deleted one by one is slow. */
  private makeRoom(): void {
    for (const key of this.ended.keys()) {
      this.ended.delete(key);
      if (this.ended.size <= 0.9 * this.maxEnded) return;
    }
  }
}

function keyOf(uid: string, channel: string): string {
  // A channel name holds no white space, so no two pairs have the same key.
  return `${channel} ${uid}`;
}
