import { decodeBundle, decodeIngest, IngestEvent, ingestStream, partitionOf } from '@hearth/wire';
import { openIngestReader, PullConsumer, StreamConnection } from '@hearth/stream';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { checkAnswer } from '../support/api-checks';
import { startNats, TestNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';

export const PARTITIONS = 2;
export const KEY_1 = 'k1XpWmQ4vTzR8sLcB2nHyJ6dFgAe0uKiOq9Zr7Nx';
export const KEY_2 = 'k2YtVbN5cMxZ1aSdF3gHjK7lQwEr4uIoPz8Xv6Bn';

/** Starts publish-api as a process of its own. */
export function startPublishApi(nats: TestNats, env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
  const all = {
    HEARTH_NATS_URL: nats.url,
    // Nobody is there: accepting messages needs no Postgres.
    HEARTH_DATABASE_URL: 'postgres://127.0.0.1:1/nowhere',
    HEARTH_PARTITIONS: String(PARTITIONS),
    HEARTH_HTTP_API_KEY_1: KEY_1,
    HEARTH_HTTP_API_KEY_2: KEY_2,
    ...env,
  };
  return startApp('publish-api', all, { readyWithinMs: 60_000 });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends a body, text as it is and anything else as JSON, with the first key unless `headers` say otherwise. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${KEY_1}` },
): Promise<Answer> {
  const sent = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(url, { method: 'POST', body: sent, headers });
  const text = await response.text();
  checkAnswer('POST', url, { status: response.status, text });
  return { status: response.status, headers: response.headers, text };
}

/** Sends all documents at the same time, in turn to each URL, over as many connections as a busy backend has. */
export async function postAll(
  urls: readonly string[],
  documents: readonly object[],
): Promise<{ status: number; text: string }[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const postOne = (url: string, document: object): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${KEY_1}` };
      const sending = request(url, { method: 'POST', agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sending.on('error', reject);
      sending.end(JSON.stringify(document));
    });
  try {
    return await Promise.all(documents.map((document, n) => postOne(urls[n % urls.length] ?? '', document)));
  } finally {
    agent.destroy();
  }
}

/** The `error` member of an answer. */
export function errorOf(answer: Answer): { code: string; message: string; index?: number } {
  return (JSON.parse(answer.text) as { error: { code: string; message: string; index?: number } }).error;
}

/** Writes bytes to a port and gives what comes back until `done` accepts it or the other side closes. */
export function rawExchange(
  port: number,
  request: string | Buffer,
  done: (answer: string) => boolean,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (done(answer)) socket.destroy();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.write(request);
  });
}

export interface Queued extends IngestEvent {
  /** JSON text as queued. */
  readonly data: string;
}

/** What waits on the ingest streams, as the sequencer will find it. */
export class Queue {
  private readonly events: Queued[] = [];

  private constructor(
    private readonly connection: StreamConnection,
    private readonly readers: readonly PullConsumer[],
  ) {
    for (const reader of readers) void this.collect(reader);
  }

  static async open(nats: TestNats): Promise<Queue> {
    const silent = { info: () => undefined, warn: () => undefined };
    const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    return new Queue(
      connection,
      await Promise.all(partitions.map((partition) => openIngestReader(connection, partition, 'first'))),
    );
  }

  /**
   * Every event of a channel so far, in order: all that was accepted before the call is among them, because a mark is
   * queued behind it and waited for.
   */
  async of(channel: string): Promise<Queued[]> {
    const js = this.connection.nats.jetstream();
    const mark = `mark-${Math.random()}`;
    const line = JSON.stringify({ r: mark, c: mark, e: mark, t: 'server.http' });
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await js.publish(`hearth.ingest.${partition}`, `${line}\nnull`);
    }
    await this.untilMarks(mark);
    return this.events.filter((event) => event.channel === channel);
  }

  /** Number of events on the stream that a channel's events go to. */
  async stored(channel: string): Promise<number> {
    const manager = await this.connection.manager();
    const { state } = await manager.streams.info(ingestStream(partitionOf(channel, PARTITIONS)));
    return state.messages;
  }

  /** Number of events that were ever put on any of the streams. */
  async total(): Promise<number> {
    const manager = await this.connection.manager();
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) =>
      manager.streams.info(ingestStream(partition)),
    );
    return (await Promise.all(partitions)).reduce((sum, { state }) => sum + state.last_seq, 0);
  }

  async close(): Promise<void> {
    for (const reader of this.readers) reader.close();
    await this.connection.close();
  }

  private wake: () => void = () => undefined;

  private async untilMarks(mark: string): Promise<void> {
    while (this.events.filter(({ channel }) => channel === mark).length < PARTITIONS) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private async collect(reader: PullConsumer): Promise<void> {
    for (;;) {
      const messages = await reader.next(1_000);
      if (messages.length === 0) return;
      for (const payload of messages.flatMap((message) => decodeBundle(message.payload))) {
        const { event, data } = decodeIngest(payload);
        // What is no message is looked at where its effect can be seen.
        if (event !== undefined) this.events.push({ ...event, data: data.toString('utf8') });
      }
      this.wake();
    }
  }
}

/** A nats-server, one publish-api and what it queues; for `beforeAll`. */
export async function startAll(env?: Readonly<Record<string, string>>) {
  const nats = await startNats();
  const app = await startPublishApi(nats, env);
  const queue = await Queue.open(nats);
  return {
    nats,
    app,
    queue,
    url: `${app.httpUrl}/publish`,
    stop: async () => {
      await app.stop();
      await queue.close();
      await nats.stop();
    },
  };
}
