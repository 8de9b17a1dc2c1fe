import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Installation } from '../start/hearth-process';
import { hearth } from '../cli/hearth-command';
import { checkAnswer, checkEvent, takeDifferences } from '../support/api-checks';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { Receiver, SECRET } from './receiver';

const installation = new Installation();
let receiver: Receiver;
beforeAll(async () => void (receiver = await Receiver.start()));
afterAll(async () => {
  await installation.remove();
  await receiver.stop();
});

describe('the all-in-one', () => {
  it('sends what was published as webhooks, over a restart too, and in another format from then on', async () => {
    const port = await freePort();
    const settings = {
      HEARTH_PORT: String(port),
      HEARTH_EVENTS_ENABLED: 'true',
      HEARTH_WEBHOOK_URLS: receiver.url,
      HEARTH_WEBHOOK_SECRETS: SECRET,
      HEARTH_WEBHOOK_ALLOW_PRIVATE: 'true',
    };
    const call = async (method: string, path: string, body?: object) => {
      const { httpApiKey1 } = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8')) as {
        httpApiKey1: string;
      };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { authorization: `Bearer ${httpApiKey1}` },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      checkAnswer(method, response.url, { status: response.status, text });
      return { status: response.status, json: JSON.parse(text) as Record<string, unknown> };
    };
    const publish = async (data: number) => {
      const message = { channel: 'my-channel', event: 'greeting', data, emitPubSubEvent: true };
      expect((await call('POST', '/publish', message)).status).toBe(202);
    };
    const first = await installation.start(settings);
    await publish(1);
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    expect(JSON.parse(receiver.deliveries[0]?.body ?? '')).toMatchObject({
      source: 'hotsock.v1',
      type: 'hotsock.messagePublished',
      metadata: { channel: 'my-channel', event: 'greeting', trigger: 'server.http' },
      data: { channel: 'my-channel', event: 'greeting', data: 1 },
    });
    receiver.behaviour = () => 500;
    await publish(2);
    await eventually(() => expect(receiver.deliveries.length).toBeGreaterThan(1));
    expect(await first.end('SIGTERM')).toBe(0);
    receiver.behaviour = () => 200;
    await installation.start({
      ...settings,
      HEARTH_EVENTS_FORMAT: 'cloudevents',
      // Of no matter to what waits: it is taken at once.
      HEARTH_WEBHOOK_MAX_ATTEMPTS: '1',
    });
    await publish(3);
    await eventually(() => expect(receiver.accepted).toHaveLength(3));
    const delivered = receiver.accepted.map(({ body }) => (JSON.parse(body) as { data: { data: number } }).data.data);
    expect(delivered).toEqual([1, 2, 3]);
    expect(receiver.forged).toEqual([]);
    const [old, waited, cloud] = receiver.accepted.map(({ headers, body }) => {
      checkEvent(JSON.parse(body) as { dataType: string });
      return { type: headers['content-type'], event: JSON.parse(body) as Record<string, unknown> };
    });
    expect([old?.type, waited?.type]).toEqual(['application/json', 'application/json']);
    expect(cloud?.type).toBe('application/cloudevents+json; charset=utf-8');
    expect(cloud?.event).toEqual({
      specversion: '1.0',
      id: receiver.accepted[2]?.id,
      source: 'hotsock.v1',
      type: 'hotsock.messagePublished',
      subject: 'my-channel',
      time: expect.stringMatching(/Z$/),
      datacontenttype: 'application/json',
      datatype: 'message',
      hotsockversion: '1.13.5',
      hearthversion: expect.any(String),
      event: 'greeting',
      trigger: 'server.http',
      requestid: expect.any(String),
      sourceip: '127.0.0.1',
      useragent: expect.any(String),
      data: { channel: 'my-channel', event: 'greeting', id: expect.any(String), data: 3 },
    });

    // What is given up is listed, and sent again when somebody asks for it.
    receiver.behaviour = () => 500;
    await publish(4);
    const letter = await eventually(async () => {
      const { deadLetters, next } = (await call('GET', '/dead-letters')).json;
      expect([deadLetters, next]).toEqual([
        [expect.objectContaining({ attempts: 1, lastError: 'answered 500' })],
        null,
      ]);
      return (deadLetters as Record<string, unknown>[])[0];
    });
    const { payload, ...summary } = (await call('GET', `/dead-letters/${String(letter?.id)}`)).json;
    expect([summary, JSON.parse(String(payload))]).toEqual([
      letter,
      expect.objectContaining({ subject: 'my-channel' }),
    ]);
    expect((await call('GET', '/dead-letters?target=other')).json).toEqual({ deadLetters: [], next: null });
    receiver.behaviour = () => 200;
    expect(await call('POST', '/dead-letters/retry', { target: 'other' })).toMatchObject({ json: { requested: 0 } });
    expect(await call('POST', '/dead-letters/retry', { targets: 'x' })).toMatchObject({ status: 400 });
    expect(await call('POST', '/dead-letters/NONE/retry')).toMatchObject({ status: 404 });
    const env = { HEARTH_DATA_DIR: installation.dataDir };
    expect((await hearth(['dead-letters'], { env })).stdout).toMatch(/answered 500/);
    const retried = await hearth(['dead-letters', 'retry', String(letter?.id)], { env });
    expect(retried).toEqual({ code: 0, stderr: '', stdout: 'Sends 1 again\n' });
    await eventually(() => expect(receiver.accepted.map(({ id }) => id)).toContain(letter?.eventId));
    await eventually(async () => expect((await hearth(['dead-letters'], { env })).stdout).toBe('none\n'));
    expect(takeDifferences()).toEqual([]);
  });
});
