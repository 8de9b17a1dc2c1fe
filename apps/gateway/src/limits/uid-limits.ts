import { KeyedBuckets } from '@hearth/limits';
import { limitReached, rateLimited } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, LimitAnswers } from '@hearth/runtime';
import { StreamConnection } from '@hearth/stream';
import { every, type Repeated } from '@hearth/timing';
import { UID_COUNTS_SUBJECT } from '@hearth/wire';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { UidCounts, type UidReport } from './uid-counts';

/** Others know within a second (limits §2). */
const TELL_MS = 500;
/** Whoever has nothing to tell says so, because others forget gateways that they do not hear. */
const SIGN_MS = 2_500;

/** What one user may cost (limits §2): connections of all gateways together, handshakes of this one. */
@Injectable()
export class UidLimits implements OnApplicationShutdown {
  private readonly counts: UidCounts;
  private readonly handshakes: KeyedBuckets;
  private readonly telling: Repeated;
  private readonly stopListening: (() => void)[];
  private toldAtMs = -Infinity;

  constructor(
    private readonly stream: StreamConnection,
    private readonly answers: LimitAnswers,
    @Inject(CONFIG) config: Pick<HearthConfig, 'processId' | 'limitUidHandshakes'>,
  ) {
    this.counts = new UidCounts(config.processId);
    this.handshakes = new KeyedBuckets(config.limitUidHandshakes);
    this.stopListening = [
      stream.listen(UID_COUNTS_SUBJECT, (message) => this.counts.take(message.json<UidReport>(), performance.now())),
      stream.onReconnect(() => this.counts.lostTouch()),
    ];
    this.telling = every(TELL_MS, () => this.tell());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.telling.stop();
    for (const stop of this.stopListening) stop();
    if (this.stream.isConnected) this.say(this.counts.farewell());
  }

  /**
   * A user has shown a valid connect token.
   *
   * @param most connections that it may have
   * @throws ProtocolError `RATE_LIMITED`; `LIMIT_REACHED`, status 429; nothing is counted then
   */
  enter(uid: string, most: number, sourceIp: string): void {
    const waitMs = this.handshakes.take(uid, 1, performance.now());
    if (waitMs > 0) {
      this.answers.count({ limit: 'uidHandshakes', answer: 'refused', key: uid, sourceIp, uid });
      throw rateLimited('uidHandshakes', waitMs);
    }
    if (this.counts.of(uid) >= most) {
      this.answers.count({ limit: 'uidConnections', answer: 'refused', key: uid, sourceIp, uid });
      throw limitReached('uidConnections', most, 'connections of a user', 429);
    }
    this.counts.change(uid, 1);
  }

  /** A connection of the user has ended, or was not made after all. */
  leave(uid: string): void {
    this.counts.change(uid, -1);
  }

  private tell(): void {
    const nowMs = performance.now();
    if (!this.stream.isConnected) return this.counts.couldNotHear(nowMs);
    this.counts.sweep(nowMs);
    if (!this.counts.hasNews && nowMs - this.toldAtMs < SIGN_MS) return;
    this.toldAtMs = nowMs;
    for (const report of this.counts.takeReports()) this.say(report);
  }

  private say(report: UidReport): void {
    this.stream.tell(UID_COUNTS_SUBJECT, JSON.stringify(report));
  }
}
