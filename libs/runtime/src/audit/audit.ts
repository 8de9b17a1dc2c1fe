import { utcInstant } from '@hearth/protocol';
import { EventPublisher } from '@hearth/stream';
import { installationNow } from '@hearth/timing';
import { Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { ReloadableSettings } from '@hearth/config';
import type { LimitAnswer } from '../limits/limit-answers';
import type { Logger } from '../log/logger';

/** What is recorded (management-api §7). Holds no secret and no token. */
export interface AuditRecord {
  readonly action:
    'disconnect' | 'unsubscribe' | 'revoke' | 'unrevoke' | 'cancelSchedule' | 'retryDeadLetters' | 'refuse' | 'limit';
  /** `failed`: a change that could not be made; its code is in `result`. The others are what limits answer (limits §7). */
  readonly outcome: 'ok' | 'failed' | 'refused' | 'delayed' | 'closed';
  /** A finite number of them: whoever shows something unknown is a `client`. */
  readonly actor: AuditActor;
  readonly sourceIp: string | undefined;
  /** Whom or what it is about. */
  readonly target: Readonly<Record<string, unknown>> | null;
  readonly reason: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
}

export type AuditActor = `api-key:${number}` | 'admin' | `aws:${string}` | 'client';

/** At most one record of the same kind and actor in this time. */
const WINDOW_MS = 1_000;
/** Kinds and actors that are told apart; what comes when there are more waits with those that are there. */
const MAX_WINDOWS = 1_000;

/** A second in which a record of its kind and actor has been written. */
interface Window {
  readonly timer: NodeJS.Timeout;
  /** The last that came since, and how many did. */
  held: AuditRecord | undefined;
  atMs: number;
  count: number;
}

/**
 * The audit log (management-api §7): changes by operators, refused credentials, what limits have refused. The first record of
 * its kind and actor is written at once; those of the second after it are one record, which is the last of them and their
 * number. So every one is counted and nobody can fill a disk, or memory: what waits is one record for each kind and actor.
 */
@Injectable()
export class Audit {
  private readonly windows = new Map<string, Window>();

  constructor(
    private readonly publisher: Pick<EventPublisher, 'publish'>,
    private readonly reloadable: Pick<ReloadableSettings, 'current'>,
    private readonly logger: Pick<Logger, 'info'>,
  ) {}

  record(record: AuditRecord): void {
    const { action, outcome, actor } = record;
    const key = this.windows.size < MAX_WINDOWS ? `${action} ${outcome} ${actor}` : `${action} ${outcome} *`;
    const window = this.windows.get(key);
    if (window === undefined) {
      this.write(record, 1, installationNow());
      return this.open(key);
    }
    window.held = record;
    window.atMs = installationNow();
    window.count++;
  }

  /**
   * A credential was refused.
   *
   * @param door where it was shown
   * @param actor whose it is, as far as that is sure
   */
  refused(
    door: 'connect' | 'subscribe' | 'umd' | 'client-http' | 'server-http' | 'lambda' | 'scheduler' | 'admin',
    sourceIp: string | undefined,
    reason: string,
    actor: AuditActor = 'client',
  ): void {
    const [action, outcome] = ['refuse', 'refused'] as const;
    this.record({ action, outcome, actor, sourceIp, target: { door }, reason, result: null });
  }

  /** A limit has met somebody. */
  limited({ limit, answer, key, sourceIp }: LimitAnswer): void {
    this.record({
      ...{ action: 'limit', outcome: answer, actor: actorOf(limit, key), sourceIp },
      ...{ target: { limit, key }, reason: null, result: null },
    });
  }

  /** Writes what waits. */
  flush(): void {
    for (const window of this.windows.values()) {
      clearTimeout(window.timer);
      this.writeHeld(window);
    }
    this.windows.clear();
  }

  private open(key: string): void {
    const timer = setTimeout(() => this.close(key), WINDOW_MS);
    timer.unref();
    this.windows.set(key, { timer, held: undefined, atMs: 0, count: 0 });
  }

  private close(key: string): void {
    const window = this.windows.get(key);
    this.windows.delete(key);
    if (window !== undefined && this.writeHeld(window)) this.open(key);
  }

  private writeHeld({ held, count, atMs }: Window): boolean {
    if (held !== undefined) this.write(held, count, atMs);
    return held !== undefined;
  }

  private write({ sourceIp, ...record }: AuditRecord, count: number, atMs: number): void {
    const { action, outcome, actor, ...more } = record;
    const data = { action, outcome, actor, sourceIp: sourceIp || null, ...more, count, at: utcInstant(atMs) };
    this.logger.info({ type: 'app.audit', ...data });
    if (!this.reloadable.current.eventsEnabled) return;
    void this.publisher.publish({ id: ulid(), name: 'audit', metadata: {}, dataJson: JSON.stringify(data) });
  }
}

/** Keys of limits are known ones, of which there are few; all else is a client's. */
function actorOf(limit: string, key: string): AuditActor {
  if (limit.startsWith('awsKey')) return `aws:${key}`;
  return limit.startsWith('apiKey') ? (key as AuditActor) : 'client';
}
