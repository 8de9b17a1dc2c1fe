import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { type ClientSocket, openSocket } from './client-socket';
import type { Cluster } from './cluster';
import type { Fate, Journal } from './journal';
import { fateOf, post } from './publishers';

const KEYS = ['k0', 'k1', 'k2'];
const RETRY_MS = 50;

/** What was wrong with the entries of a channel, in words. */
export interface StorageVerdict {
  /** A value that was accepted, and that an older one stands for at rest. */
  readonly lost: readonly string[];
  /** An observer saw an older value after a newer one. */
  readonly inverted: readonly string[];
  /** At rest an observer has another value than the server. */
  readonly disagreeing: readonly string[];
}

/**
 * Somebody who sets the entries of a channel to rising numbers, one write of an entry after the other, and an observer on each
 * gateway. What is accepted stands, and whoever observes comes to the same values in the same order.
 */
export class StorageLoad {
  /** The fate of each write, by key: number n is at place n. */
  private readonly fates = new Map<string, Fate[]>(KEYS.map((key) => [key, []]));
  private readonly observers: readonly Observer[];
  private readonly channel: string;
  private isStopping = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly cluster: Cluster,
    private readonly journal: Journal,
    name: string,
    private readonly paceMs: number,
  ) {
    this.channel = `${name}.storage`;
    const token = cluster.tokenFor('observer', {
      [this.channel]: { subscribe: true, storage: { '*': { observe: true } } },
    });
    this.observers = cluster.gatewayUrls.map(
      (_, first, urls) =>
        new Observer(`${name} observer-${first}`, this.channel, token, [...urls.slice(first), ...urls.slice(0, first)]),
    );
  }

  /** Writes that were accepted. */
  get accepted(): number {
    return [...this.fates.values()].flat().filter((fate) => fate === 'acked').length;
  }

  start(): void {
    for (const observer of this.observers) observer.connect();
    this.running = Promise.all(KEYS.map((key, index) => this.write(key, index)));
  }

  async fallSilent(): Promise<void> {
    this.isStopping = true;
    await this.running;
  }

  /** Waits until everybody has the same values, and compares. */
  async judge(): Promise<StorageVerdict> {
    let verdict: StorageVerdict | undefined;
    await eventually(async () => {
      verdict = this.compare(await this.stored());
      if (verdict.lost.length + verdict.disagreeing.length > 0) throw new Error('not yet');
    }).catch(() => undefined);
    return verdict ?? { lost: [`${this.channel} could not be read`], inverted: [], disagreeing: [] };
  }

  stop(): void {
    this.isStopping = true;
    for (const observer of this.observers) observer.stop();
  }

  private async write(key: string, index: number): Promise<void> {
    const { publishUrls, apiKey } = this.cluster;
    const fates = this.fates.get(key) ?? [];
    const leave = this.journal.gate.join();
    for (let n = 0; !this.isStopping; n++) {
      await this.journal.gate.pass();
      const document = { channel: this.channel, event: 'hotsock.channelStorageSet', key, data: { n } };
      fates[n] = 'unknown';
      const answer = await post(publishUrls[(n + index) % publishUrls.length] ?? '', apiKey, '/publish', document);
      const isAccepted = typeof answer === 'object' && answer.status === 202;
      fates[n] = isAccepted ? 'acked' : fateOf(answer);
      if (typeof answer === 'object' && answer.status < 500 && !isAccepted) {
        this.journal.complain(`a write of ${key} was answered ${answer.status} ${answer.text}`);
      }
      await delay(isAccepted ? this.paceMs : RETRY_MS);
    }
    leave();
  }

  private async stored(): Promise<ReadonlyMap<string, number>> {
    const { publishUrls, apiKey } = this.cluster;
    const response = await fetch(`${publishUrls[0]}/channels/${encodeURIComponent(this.channel)}/storage`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    if (!response.ok) throw new Error(`storage: ${response.status}`);
    const { items } = (await response.json()) as { items: readonly Frame[] };
    return new Map(items.map(({ key, data }) => [key as string, data.n as number]));
  }

  private compare(stored: ReadonlyMap<string, number>): StorageVerdict {
    const lost: string[] = [];
    const disagreeing: string[] = [];
    for (const [key, fates] of this.fates) {
      const lastAcked = fates.lastIndexOf('acked');
      const value = stored.get(key) ?? -1;
      // One of unknown fate may still come, in front of or behind what was published later.
      if (value < lastAcked && fates[value] !== 'unknown') {
        lost.push(`${key} of ${this.channel} is ${value}, and ${lastAcked} was accepted`);
      }
      for (const { name, values } of this.observers) {
        if (values.get(key) !== stored.get(key)) {
          disagreeing.push(`${key} of ${this.channel} is ${values.get(key)} for ${name}, and ${value} for the server`);
        }
      }
    }
    return { lost, inverted: this.observers.flatMap((observer) => observer.inverted(this.fates)), disagreeing };
  }
}

/** A client that follows all entries of a channel, and comes back when it is disconnected. */
class Observer {
  readonly values = new Map<string, number>();
  private readonly steps: { readonly key: string; readonly before: number; readonly after: number }[] = [];
  private socket: ClientSocket | undefined;
  private attempts = 0;
  private isStopping = false;

  constructor(
    readonly name: string,
    private readonly channel: string,
    private readonly token: string,
    private readonly gateways: readonly string[],
  ) {}

  connect(): void {
    if (this.isStopping) return;
    const url = this.gateways[this.attempts++ % this.gateways.length] ?? '';
    this.socket = openSocket('websocket', url, this.token, {
      onFrame: (frame) => this.onFrame(frame),
      onClose: () => void delay(RETRY_MS).then(() => this.connect()),
    });
  }

  stop(): void {
    this.isStopping = true;
    this.socket?.terminate();
  }

  /** Where it saw an older value after a newer one, both of which were accepted. */
  inverted(fates: ReadonlyMap<string, readonly Fate[]>): string[] {
    const isAcked = (key: string, n: number): boolean => fates.get(key)?.[n] === 'acked';
    return this.steps
      .filter(({ key, before, after }) => isAcked(key, before) && isAcked(key, after))
      .map(({ key, before, after }) => `${this.name} saw ${key} of ${this.channel} go from ${before} to ${after}`);
  }

  private onFrame({ event, key, data, channel, error }: Frame): void {
    if (event === 'hotsock.connected') this.subscribe();
    else if (event === 'hotsock.error' && channel === this.channel && error.code === 'SERVICE_UNAVAILABLE') {
      void delay(RETRY_MS).then(() => this.subscribe());
    } else if (event === 'hotsock.channelStorageUpdated') {
      const before = this.values.get(key);
      if (before !== undefined && before > data.n) this.steps.push({ key, before, after: data.n });
      this.values.set(key, data.n);
    }
  }

  private subscribe(): void {
    this.socket?.send({ event: 'hotsock.subscribe', ...{ channel: this.channel } });
  }
}
