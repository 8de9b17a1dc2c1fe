import { encodeToken, eventSubject } from '@hearth/wire';
import { AckedPublisher, ensureEventStream, StreamConnection } from '@hearth/stream';
import { Client } from 'pg';
import { ulid } from 'ulid';
import { createDatabase } from '../support/database';
import { startNats, type TestNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';
import { Receiver, SECRET } from './receiver';

const ADMIN_TOKEN = 'the-operators-own-token';

const EVENTS = {
  eventsStream: 'HEARTH_EVENTS',
  eventsSubjectPrefix: 'hearth.events.v1',
  eventsMaxAgeSeconds: 604_800,
  eventsMaxBytes: -1,
  eventsReplicas: 1,
};
const silent = { info: () => undefined, warn: () => undefined };

export interface Emitted {
  readonly id: string;
  readonly text: string;
}

/** NATS, Postgres, receivers, and any number of webhooks processes. */
export class Testbed {
  readonly receivers: Receiver[] = [];
  private processes: AppProcess[] = [];

  private constructor(
    readonly nats: TestNats,
    readonly database: Awaited<ReturnType<typeof createDatabase>>,
    readonly sql: Client,
    readonly connection: StreamConnection,
    private readonly publisher: AckedPublisher,
  ) {}

  static async open(): Promise<Testbed> {
    const [nats, database] = await Promise.all([startNats(), createDatabase()]);
    const sql = new Client(database.url);
    await sql.connect();
    const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
    const testbed = new Testbed(nats, database, sql, connection, new AckedPublisher(connection));
    await testbed.makeStream();
    return testbed;
  }

  async makeStream(): Promise<void> {
    await ensureEventStream(await this.connection.manager(), EVENTS);
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    this.publisher.close();
    await this.connection.close();
    await this.sql.end();
    await Promise.all(this.receivers.map((receiver) => receiver.stop()));
    await Promise.all([this.nats.stop(), this.database.drop()]);
  }

  async receiver(port?: number): Promise<Receiver> {
    const receiver = await Receiver.start(port);
    this.receivers.push(receiver);
    return receiver;
  }

  /** A webhooks process; receivers are on this machine, so private addresses are allowed unless told otherwise. */
  async start(urls: string | readonly string[], env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
    const process = await startApp('webhooks', {
      HEARTH_NATS_URL: this.nats.url,
      HEARTH_DATABASE_URL: this.database.url,
      HEARTH_EVENTS_ENABLED: 'true',
      HEARTH_WEBHOOK_URLS: [urls].flat().join(','),
      HEARTH_WEBHOOK_SECRETS: SECRET,
      HEARTH_ADMIN_TOKEN: ADMIN_TOKEN,
      HEARTH_WEBHOOK_ALLOW_PRIVATE: 'true',
      ...env,
    });
    this.processes.push(process);
    return process;
  }

  /** Ends a process in a way that `close` must not repeat. */
  async kill(process: AppProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.processes = this.processes.filter((one) => one !== process);
    await process.kill(signal);
  }

  /** Puts an event of a channel onto the stream (pubsub-events §1, §4); repeated until the stream has it. */
  emit(channel: string, n: number, more: object = {}): Promise<Emitted> {
    const data = { channel, event: 'e', id: ulid(), data: null, n, ...more };
    return this.emitEvent('message', 'messagePublished', { channel, event: 'e' }, data, channel);
  }

  async emitEvent(
    dataType: string,
    typeName: string,
    metadata: Readonly<Record<string, string>>,
    data: object,
    channel?: string,
  ): Promise<Emitted> {
    const type = `hotsock.${typeName}`;
    const envelope = {
      source: 'hotsock.v1',
      type,
      metadata: { hotsockVersion: '1.13.5', ...metadata },
      data,
      dataType,
    };
    const [id, text] = [ulid(), JSON.stringify(envelope)];
    const headers = { 'Hearth-Source': 'hotsock.v1', 'Hearth-Type': type, 'Hearth-Data-Type': dataType };
    await this.publisher.publish(
      eventSubject(EVENTS.eventsSubjectPrefix, dataType, typeName, channel),
      Buffer.from(text),
      {
        messageId: id,
        headers: channel === undefined ? headers : { ...headers, 'Hearth-Channel': encodeToken(channel) },
      },
    );
    return { id, text };
  }
}

/** The value of a metric of a webhooks process; for the only target there is. */
export async function metricOf(process: AppProcess, name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${process.adminPort}/metrics`);
  const [, value] = new RegExp(`^hearth_webhooks_${name}{[^}]*} (\\S+)$`, 'm').exec(await response.text()) ?? [];
  return Number(value ?? 0);
}

/** Names of the gauges that a webhooks process shows. */
export async function gaugesOf(process: AppProcess): Promise<(string | undefined)[]> {
  const response = await fetch(`http://127.0.0.1:${process.adminPort}/metrics`);
  const shown = (await response.text()).matchAll(/^hearth_webhooks_(waiting|lag|paused){/gm);
  return [...shown].map(([, name]) => name).sort();
}

/** Asks the admin port. */
export async function admin(
  process: AppProcess,
  path: string,
  method = 'GET',
): Promise<{ status: number; body: ReturnType<typeof JSON.parse> }> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const response = await fetch(`http://127.0.0.1:${process.adminPort}${path}`, { method, headers });
  const isJson = response.headers.get('content-type') === 'application/json';
  return { status: response.status, body: isJson ? await response.json() : await response.text() };
}

export const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => from + n);
