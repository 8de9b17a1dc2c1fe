import { idTimeMs } from '@hearth/protocol';
import { randomBytes } from 'node:crypto';
import { checkAnswer } from './api-checks';
import { createDatabase } from './database';
import { startNats, TestNats } from './nats';
import { AppName, AppProcess, startApp } from './process';
import { signToken } from './tokens';
import { connect, Frame, WsClient } from './ws-client';

export const API_KEY = 'history-spec-key';
const SECRET = randomBytes(32);

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed text. */
  readonly json: Frame;
}

/** A connect token. */
export function connectToken(claims: Record<string, unknown>): string {
  return signToken({ scope: 'connect', ...claims }, { secret: SECRET });
}

/** A subscribe token. */
export function subscribeToken(claims: Record<string, unknown>): string {
  return signToken({ scope: 'subscribe', ...claims }, { secret: SECRET });
}

/** A umd token. */
export function umdToken(claims: Record<string, unknown>): string {
  return signToken({ scope: 'umd', ...claims }, { secret: SECRET });
}

/** An open WebSocket and its credentials for the client HTTP API. */
export class Client {
  private constructor(
    readonly ws: WsClient,
    readonly id: string,
    readonly secret: string,
    private readonly history: AppProcess,
    readonly gateway: AppProcess,
  ) {}

  static async open(gateway: AppProcess, history: AppProcess, claims: Record<string, unknown>): Promise<Client> {
    const ws = await connect(gateway.wsUrl, connectToken(claims));
    const { connectionId, connectionSecret } = (await ws.connected()).data;
    return new Client(ws, connectionId, connectionSecret, history, gateway);
  }

  get url(): string {
    return `${this.history.httpUrl}/connection/`;
  }

  get query(): string {
    return `?connectionId=${encodeURIComponent(this.id)}&connectionSecret=${this.secret}`;
  }

  /** Calls the client HTTP API; text goes as it is, anything else as JSON. */
  call(operation: string, body: unknown): Promise<Answer> {
    return post(`${this.url}${operation}${this.query}`, body);
  }

  async list(request: object): Promise<Frame[]> {
    const { status, text, json } = await this.call('listMessages', request);
    if (status !== 200) throw new Error(`listMessages: ${status} ${text}`);
    return json.messages;
  }

  async subscribe(channel: string, token?: string): Promise<Frame> {
    this.ws.send({ event: 'hotsock.subscribe', channel, ...(token === undefined ? {} : { data: { token } }) });
    return this.ws.next('hotsock.subscribed');
  }

  async unsubscribe(channel: string): Promise<void> {
    this.ws.send({ event: 'hotsock.unsubscribe', channel });
    await this.ws.next('hotsock.unsubscribed');
  }
}

/** Asks as a backend. */
export async function get(
  url: string,
  headers: Record<string, string> = { authorization: `Bearer ${API_KEY}` },
): Promise<Answer> {
  return ask('GET', url, { headers });
}

/** One request; its answer is compared with what is written down of it. */
async function ask(method: string, url: string, more: RequestInit): Promise<Answer> {
  const response = await fetch(url, { method, ...more });
  const text = await response.text();
  checkAnswer(method, url, { status: response.status, text });
  const json: unknown = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, text, json };
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return ask('POST', url, { body: sent, headers });
}

/** Two gateways, and one process of each other service: no request finds everything in one place. */
export class Testbed {
  private constructor(
    readonly nats: TestNats,
    readonly database: Awaited<ReturnType<typeof createDatabase>>,
    readonly env: Readonly<Record<string, string>>,
    readonly apps: AppProcess[],
  ) {}

  static async start(more: Readonly<Record<string, string>> = {}, makeDatabase = createDatabase): Promise<Testbed> {
    const [nats, database] = await Promise.all([startNats(), makeDatabase()]);
    const env = {
      HEARTH_NATS_URL: nats.url,
      HEARTH_DATABASE_URL: database.url,
      HEARTH_PARTITIONS: '2',
      HEARTH_SIGNING_KEY_1_ENCODED: SECRET.toString('base64'),
      HEARTH_HTTP_API_KEY_1: API_KEY,
      HEARTH_DRAIN_SECONDS: '0',
      // What has expired stays in its table, as it may for a while anywhere.
      HEARTH_EXPIRY_SECONDS: '3600',
      HEARTH_EVENTS_ENABLED: 'true',
      ...more,
    };
    const testbed = new Testbed(nats, database, env, []);
    const names: AppName[] = ['gateway', 'gateway', 'history', 'publish-api', 'sequencer'];
    const started = await Promise.allSettled(names.map((name) => testbed.add(name)));
    const failed = started.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') {
      await testbed.stop();
      throw failed.reason;
    }
    return testbed;
  }

  get gateways(): AppProcess[] {
    return this.apps.filter(({ name }) => name === 'gateway');
  }

  get publishApiUrl(): string {
    return this.app('publish-api').httpUrl;
  }

  get history(): AppProcess {
    return this.app('history');
  }

  /** Asks the server-side HTTP API. */
  async get(path: string, headers: Record<string, string> = { authorization: `Bearer ${API_KEY}` }): Promise<Answer> {
    return ask('GET', `${this.app('publish-api').httpUrl}${path}`, { headers });
  }

  /** Starts one more service; stopped with the rest. */
  async add(name: AppName, env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
    const app = await startApp(name, { ...this.env, ...env }, { readyWithinMs: 60_000 });
    this.apps.push(app);
    return app;
  }

  connect(claims: Record<string, unknown>, gateway = this.gateways[0]): Promise<Client> {
    return Client.open(gateway ?? this.app('gateway'), this.history, claims);
  }

  /** What a backend is told of a channel. */
  async channel(name: string): Promise<Frame> {
    const { status, text, json } = await get(`${this.publishApiUrl}/channels/${encodeURIComponent(name)}`);
    if (status !== 200) throw new Error(`GET /channels: ${status} ${text}`);
    return json;
  }

  /** Publishes as a backend, in order. */
  async publish(...documents: object[]): Promise<void> {
    for (let from = 0; from < documents.length; from += 100) {
      const batch = documents.slice(from, from + 100);
      const { status, text } = await this.publishBatch(batch);
      if (status !== 202) throw new Error(`publish: ${status} ${text}`);
    }
  }

  /** Publishes as a backend, and gives whatever the answer is; text goes as it is. */
  publishOne(document: object | string): Promise<Answer> {
    return post(`${this.app('publish-api').httpUrl}/publish`, document, { authorization: `Bearer ${API_KEY}` });
  }

  publishBatch(documents: readonly object[] | string): Promise<Answer> {
    return post(`${this.app('publish-api').httpUrl}/publish/batch`, documents, { authorization: `Bearer ${API_KEY}` });
  }

  /** Cancels a schedule; its name goes into the path as it is. */
  async cancel(
    name: string,
    headers: Record<string, string> = { authorization: `Bearer ${API_KEY}` },
  ): Promise<Answer> {
    const url = `${this.app('publish-api').httpUrl}/schedules/${name}`;
    return ask('DELETE', url, { headers });
  }

  /** Publishes as a backend and waits until all of it is in history. @returns ids in order */
  async store(channel: string, ...datas: unknown[]): Promise<string[]> {
    await this.publish(...datas.map((data) => ({ channel, event: 'e', data, store: 600 })));
    return this.settle(channel);
  }

  /** Waits until everything published to a channel before has been processed. @returns ids of what is stored */
  async settle(channel: string): Promise<string[]> {
    const watcher = await this.connect({ channels: { [channel]: { subscribe: true, historyStart: 0 } } });
    await watcher.subscribe(channel);
    await this.publish({ channel, event: 'settled' });
    await watcher.ws.next('settled');
    const ids: string[] = [];
    for (let page = await watcher.list({ channel }); page.length > 0;) {
      ids.push(...page.map(({ id }) => id as string));
      page = await watcher.list({ channel, after: ids.at(-1) });
    }
    await watcher.ws.close();
    return ids;
  }

  async stop(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.stop()));
    await Promise.all([this.nats.stop(), this.database.drop()]);
  }

  app(name: AppName): AppProcess {
    const found = this.apps.find((app) => app.name === name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }
}

/** Claim value for the instant of a message. */
export const secondsOf = (id: string): number => idTimeMs(id) / 1_000;
