import { ACCESS_KEY, sendRequest, signed } from '../aws/signed-request';
import { createDatabase } from '../support/database';
import { startNats, TestNats } from '../support/nats';
import { TestPostgres } from '../support/postgres';
import { AppProcess, startApp } from '../support/process';
import { Answer, errorOf, KEY_1, PARTITIONS, post, startPublishApi } from './publish-api';

/** Far from each limit there is besides: 5 s to connect, 15 and 20 s for a statement. */
const PATIENCE_MS = 1_000;
/** Tests end before those limits would answer in the place of the one that was set. */
const BEFORE_OTHER_LIMITS_MS = 15_000;
const authorization = { authorization: `Bearer ${KEY_1}` };

let postgres: TestPostgres;
let database: Awaited<ReturnType<typeof createDatabase>>;
let nats: TestNats;
let apps: AppProcess[] = [];
let url: string;
let messageId: string;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([TestPostgres.start(), startNats()]);
  database = await createDatabase(postgres.url);
  const limits = { HEARTH_DATABASE_URL: database.url, HEARTH_HTTP_TIMEOUT_MS: String(PATIENCE_MS) };
  const sequencer = { HEARTH_NATS_URL: nats.url, HEARTH_PARTITIONS: String(PARTITIONS), ...limits };
  const accessKeys = `${ACCESS_KEY.id}:${ACCESS_KEY.secret}`;
  apps = await Promise.all([
    startPublishApi(nats, { ...limits, HEARTH_AWS_ACCESS_KEYS: accessKeys }),
    startApp('sequencer', sequencer),
  ]);
  url = apps[0]!.httpUrl;
  const kept = await post(`${url}/publish`, { channel: 'c', event: 'e', store: 600, eagerIdGeneration: true });
  messageId = (JSON.parse(kept.text) as { id: string }).id;
});
afterAll(async () => {
  postgres.thaw();
  await Promise.all(apps.map((app) => app.stop()));
  await Promise.all([nats.stop(), postgres.stop()]);
});

const reaction = (uid: string) => ({
  channel: 'c',
  event: 'hotsock.messageReaction',
  data: { messageId, reaction: '👍', action: 'add', uid },
});

/** Invokes the function with a reaction. */
function invoke(type: 'RequestResponse' | 'Event') {
  const headers = { 'x-amz-invocation-type': type };
  const body = JSON.stringify(reaction('by lambda'));
  return sendRequest(apps[0]!.port, signed({ host: `127.0.0.1:${apps[0]!.port}`, body, headers }));
}

async function ask(method: string, path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`, { method, headers: authorization });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const outcome = (answer: Answer): unknown[] => [answer.status, errorOf(answer).code, errorOf(answer).index];

describe('while Postgres hangs', () => {
  beforeEach(async () => {
    // Connections for all that follows: a query on one of them hangs longer than making a new one may take.
    const uids = ['u1', 'u2', 'u3', 'u4', 'u5'];
    expect((await post(`${url}/publish/batch`, uids.map(reaction))).status).toBe(202);
    await postgres.freeze();
  });
  afterEach(() => postgres.thaw());

  it(
    'every door answers a reaction within the time that is set, and takes it afterwards',
    async () => {
      const [single, batch, ...invoked] = await Promise.all([
        post(`${url}/publish`, reaction('alone')),
        post(`${url}/publish/batch`, [{ channel: 'c', event: 'e' }, reaction('in a batch')]),
        invoke('RequestResponse'),
        invoke('Event'),
      ]);
      expect(outcome(single)).toEqual([503, 'SERVICE_UNAVAILABLE', undefined]);
      expect(errorOf(single).message).toContain('data.messageId cannot be looked up');
      expect(outcome(batch)).toEqual([503, 'SERVICE_UNAVAILABLE', 1]);
      for (const answer of invoked) {
        expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([500, 'ServiceException']);
        expect(JSON.parse(answer.text)).toMatchObject({ Type: 'Service' });
      }
      postgres.thaw();
      expect((await post(`${url}/publish`, reaction('alone'))).status).toBe(202);
    },
    BEFORE_OTHER_LIMITS_MS,
  );

  it(
    'so are a cancel and questions about channels answered, and messages are accepted',
    async () => {
      const scheduled = { channel: 'c', event: 'e', scheduleExpression: 'at(2040-01-01T00:00:00)' };
      const { scheduleArn } = JSON.parse((await post(`${url}/publish`, scheduled)).text) as { scheduleArn: string };
      const [cancelled, info, storage] = await Promise.all([
        ask('DELETE', `/schedules/${encodeURIComponent(scheduleArn)}`),
        ask('GET', '/channels/c'),
        ask('GET', '/channels/c/storage'),
      ]);
      for (const answer of [cancelled, info, storage]) {
        expect(outcome(answer)).toEqual([503, 'SERVICE_UNAVAILABLE', undefined]);
      }
      expect((await post(`${url}/publish`, { channel: 'c', event: 'e', store: 60 })).status).toBe(202);
    },
    BEFORE_OTHER_LIMITS_MS,
  );
});
