import { type DemandReport, KeyedBuckets, SharedRates } from '@hearth/limits';
import { rateLimited } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG, LimitAnswers } from '@hearth/runtime';
import { StreamConnection } from '@hearth/stream';
import { every, type Repeated } from '@hearth/timing';
import { KEY_DEMANDS_SUBJECT } from '@hearth/wire';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Caller } from '../callers';

/** Rates are shared out by the demand of the last second (limits §2). */
const TELL_MS = 1_000;

/** What is told between processes: demands of both kinds of keys. */
interface Report {
  readonly api: DemandReport;
  readonly aws: DemandReport;
}

/** What keys may publish, all processes together, and how often each may ask this one for something else (limits §2). */
@Injectable()
export class KeyLimits implements OnApplicationShutdown {
  private readonly api: SharedRates;
  private readonly aws: SharedRates;
  private readonly requests: KeyedBuckets;
  private readonly telling: Repeated;
  private readonly stopListening: () => void;

  constructor(
    private readonly stream: StreamConnection,
    private readonly answers: LimitAnswers,
    @Inject(CONFIG)
    config: Pick<HearthConfig, 'processId' | 'limitApiKeyMessages' | 'limitAwsKeyMessages' | 'limitApiKeyRequests'>,
  ) {
    this.api = new SharedRates(config.processId, config.limitApiKeyMessages);
    this.aws = new SharedRates(config.processId, config.limitAwsKeyMessages);
    this.requests = new KeyedBuckets(config.limitApiKeyRequests);
    this.stopListening = stream.listen(KEY_DEMANDS_SUBJECT, (message) => this.learn(message.json<Report>()));
    this.telling = every(TELL_MS, () => this.tell());
    this.tell();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.telling.stop();
    this.stopListening();
    const farewell = (rates: SharedRates): DemandReport => ({ ...rates.takeReport(), leaves: true });
    if (this.stream.isConnected) this.say({ api: farewell(this.api), aws: farewell(this.aws) });
  }

  /**
   * An API key publishes so many message documents.
   *
   * @throws ProtocolError `RATE_LIMITED`; nothing has been counted then
   */
  takeMessages(caller: Caller, count: number): void {
    this.take(this.api, 'apiKeyMessages', caller, count);
  }

  /**
   * An API key is about to publish, nobody knows how much.
   *
   * @throws ProtocolError `RATE_LIMITED` when it may publish nothing at all now
   */
  checkMessages(caller: Caller): void {
    const waitMs = this.api.waitMs(caller, performance.now(), !this.stream.isConnected);
    // It counts as asked for, so that this process gets a larger part.
    if (waitMs > 0) this.takeMessages(caller, 1);
  }

  /** As `takeMessages`, of an AWS access key. */
  takeAwsMessages(accessKeyId: string, count: number): void {
    this.take(this.aws, 'awsKeyMessages', accessKeyId, count);
  }

  /**
   * An API key or the admin token asks for something else.
   *
   * @throws ProtocolError `RATE_LIMITED`
   */
  takeRequest(caller: Caller): void {
    this.refuse('apiKeyRequests', caller, this.requests.take(caller, 1, performance.now()));
  }

  private take(rates: SharedRates, limit: string, key: string, count: number): void {
    this.refuse(limit, key, rates.take(key, count, performance.now(), !this.stream.isConnected));
  }

  private refuse(limit: string, key: string, waitMs: number): void {
    if (waitMs === 0) return;
    this.answers.count({ limit, answer: 'refused', key });
    throw rateLimited(limit, waitMs);
  }

  private tell(): void {
    const report: Report = { api: this.api.takeReport(), aws: this.aws.takeReport() };
    if (!this.stream.isConnected) return;
    const nowMs = performance.now();
    for (const rates of [this.api, this.aws]) rates.sweep(nowMs);
    this.say(report);
  }

  private say(report: Report): void {
    this.stream.tell(KEY_DEMANDS_SUBJECT, JSON.stringify(report));
  }

  private learn({ api, aws }: Report): void {
    const nowMs = performance.now();
    this.api.learn(api, nowMs);
    this.aws.learn(aws, nowMs);
  }
}
