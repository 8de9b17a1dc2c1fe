import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PullConsumer, StreamConnection } from '@hearth/stream';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { startNats, TestNats } from '../support/nats';
import { AppProcess, startApp } from '../support/process';
import { signToken } from '../support/tokens';
import { connect } from '../support/ws-client';
import { ACCESS_KEY, FUNCTION_ARN } from './signed-request';

/** One installation from door to socket: what comes by an AWS SDK is what comes by HTTP. */
const API_KEY = 'the key of this installation';
const secret = Buffer.alloc(32, 7);
let nats: TestNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let hearth: AppProcess;

beforeAll(async () => {
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  hearth = await startApp(
    'hearth',
    {
      HEARTH_NATS_URL: nats.url,
      HEARTH_DATABASE_URL: database.url,
      HEARTH_HTTP_API_KEY_1: API_KEY,
      HEARTH_SIGNING_KEY_1_ENCODED: secret.toString('base64'),
      HEARTH_AWS_ACCESS_KEYS: `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`,
      HEARTH_EVENTS_ENABLED: 'true',
      HEARTH_DRAIN_SECONDS: '0',
    },
    { readyWithinMs: 60_000 },
  );
});
afterAll(async () => {
  await hearth?.stop();
  await nats?.stop();
  await database?.drop();
});

const MESSAGES = 'hearth.events.v1.message.>';

/** The first `count` events of published messages, as text. */
async function publishedEvents(count: number): Promise<string[]> {
  const silent = { info: () => undefined, warn: () => undefined };
  const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
  const consumer = await eventually(() => PullConsumer.open(connection, 'HEARTH_EVENTS', 'first', MESSAGES));
  const texts: string[] = [];
  while (texts.length < count) {
    for (const { payload } of await consumer.next(count)) texts.push(Buffer.from(payload).toString('utf8'));
  }
  consumer.close();
  await connection.close();
  return texts;
}

interface Envelope {
  readonly metadata: Readonly<Record<string, string>>;
  readonly data: { readonly id: string };
}

it('delivers, stores and reports a message of an AWS SDK like one of POST /publish', async () => {
  const token = signToken(
    { scope: 'connect', channels: { c: { subscribe: true, autoSubscribe: true, historyStart: 0 } } },
    { secret },
  );
  const client = await connect(hearth.wsUrl, token);
  await client.next('hotsock.subscribed');
  const document =
    '{"channel":"c","event":"e","store":60,"emitPubSubEvent":true,"data": { "b":12345678901234567890, "a" : "\\u00e9" }}';

  const http = await fetch(`${hearth.httpUrl}/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}` },
    body: document,
  });
  expect(http.status).toBe(202);
  const lambda = new LambdaClient({
    endpoint: hearth.httpUrl,
    region: 'us-east-1',
    credentials: { accessKeyId: ACCESS_KEY.id, secretAccessKey: ACCESS_KEY.secret },
  });
  const answer = await lambda.send(new InvokeCommand({ FunctionName: FUNCTION_ARN, Payload: document }));
  expect(answer.Payload?.transformToString()).toBe(await http.text());

  // The frames differ in nothing but their ids, byte for byte.
  const [byHttp, byLambda] = [await client.next('e'), await client.next('e')] as [{ id: string }, { id: string }];
  const frames = client.texts.filter((text) => text.includes('12345678901234567890'));
  expect(frames[1]).toBe(frames[0]?.replace(byHttp.id, byLambda.id));

  const [first = '', second = ''] = await publishedEvents(2);
  const [ofHttp, ofLambda] = [JSON.parse(first) as Envelope, JSON.parse(second) as Envelope];
  const { trigger, requestId, sourceIp, userAgent, ...same } = ofHttp.metadata;
  expect([trigger, sourceIp, typeof userAgent]).toEqual(['server.http', '127.0.0.1', 'string']);
  expect(ofLambda.metadata).toEqual({ ...same, trigger: 'server.lambda', requestId: answer.$metadata.requestId });
  expect(requestId).not.toBe(answer.$metadata.requestId);
  const dataOf = (text: string): string => text.slice(text.indexOf('"data":{'));
  expect(dataOf(second)).toBe(dataOf(first).replace(byHttp.id, byLambda.id));
  await client.close();
});
