import { Backend } from '../events/backend';
import { eventually } from '../support/eventually';
import { API_KEY, connectToken, Testbed, umdToken } from '../support/installation';
import { connect, type Frame } from '../support/ws-client';
import { ADMIN_TOKEN, Manager } from './manager';

/** Who did what, and who was let in nowhere (management-api §7). */
let testbed: Testbed;
let manager: Manager;
let backend: Backend;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_ADMIN_TOKEN: ADMIN_TOKEN });
  manager = new Manager(testbed);
  backend = await Backend.open(testbed.nats.url, () => undefined);
});
afterAll(async () => {
  await backend?.close();
  await testbed?.stop();
});

/** Records as backends get them, in order. */
const events = (): Frame[] =>
  backend.all.filter(({ envelope }) => envelope.type === 'hearth.audit').map(({ envelope }) => envelope.data);
/** As the processes log them. */
const lines = (): Frame[] =>
  testbed.apps
    .flatMap((app) => app.lines)
    .filter((line) => line.includes('app.audit'))
    .map((line) => JSON.parse(line));

/** The record that fits, which must be in the log and on the stream. */
function recorded(wanted: object): Promise<Frame> {
  return eventually(() => {
    const found = events().findLast((record) => fits(record, wanted));
    const line = lines().findLast((record) => fits(record, wanted));
    if (found === undefined || line === undefined) throw new Error(`not among ${JSON.stringify(events())}`);
    return found;
  });
}

function fits(record: Frame, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => JSON.stringify(record[name]) === JSON.stringify(value));
}

it('records each change: who, from where, what, why and what came of it', async () => {
  const token = connectToken({ uid: 'u1', channels: { '*': { subscribe: true } } });
  const client = await connect(testbed.gateways[0]!.wsUrl, token);
  client.send({ event: 'hotsock.subscribe', channel: 'c1' });
  await client.next('hotsock.subscribed');
  const origin = { sourceIp: '127.0.0.1' };

  await manager.post('/unsubscribe', { channel: 'c1', uid: 'u1' });
  await recorded({
    ...{ action: 'unsubscribe', outcome: 'ok', actor: 'admin', ...origin },
    ...{ target: { channel: 'c1', uid: 'u1' }, reason: 'Disconnected', count: 1 },
  });
  await manager.as(API_KEY).post('/disconnect', { uid: 'u1', reason: 'Signed out' });
  await recorded({
    ...{ action: 'disconnect', outcome: 'ok', actor: 'api-key:1', ...origin },
    ...{ target: { uid: 'u1' }, reason: 'Signed out' },
    result: { disconnected: 1, complete: true, refusedUntil: null },
  });
  expect((await manager.call('DELETE', '/connections/AAAAAAAAAAAAAAA=')).status).toBe(404);
  await recorded({
    ...{ action: 'disconnect', outcome: 'failed', actor: 'admin' },
    ...{ target: { connectionId: 'AAAAAAAAAAAAAAA=' }, result: { code: 'NOT_FOUND' } },
  });
  const { json } = await manager.post('/revocations', { jti: 't1' });
  const revoked = await recorded({
    ...{ action: 'revoke', outcome: 'ok', actor: 'admin', target: { jti: 't1' }, reason: null },
    result: { disconnected: 0, complete: true },
  });
  expect(Object.keys(revoked).sort()).toEqual(
    ['action', 'outcome', 'actor', 'sourceIp', 'target', 'reason', 'result', 'count', 'at'].sort(),
  );
  expect(Math.abs(Date.parse(revoked.at) - Date.now())).toBeLessThan(60_000);
  await manager.call('DELETE', `/revocations/${json.id}`);
  await recorded({ action: 'unrevoke', target: { jti: 't1' }, result: { complete: true } });

  const schedule = { channel: 'c1', event: 'e', scheduleExpression: 'at(2099-01-01T00:00:00)' };
  const { scheduleArn } = (await testbed.publishOne(schedule)).json;
  expect((await testbed.cancel(encodeURIComponent(scheduleArn))).status).toBe(204);
  await recorded({
    action: 'cancelSchedule',
    outcome: 'ok',
    actor: 'api-key:1',
    target: { id: scheduleArn.split('/').at(-1) },
  });
  // What is wrong in itself changes nothing, and says nothing.
  await manager.post('/disconnect', { uid: 'u1', jti: 'wrong' });
  expect(events().filter(({ target }) => JSON.stringify(target).includes('wrong'))).toEqual([]);
});

it('has the envelope, subject and headers of a backend event without a channel', async () => {
  const [event] = await eventually(() => {
    const found = backend.all.filter(({ envelope }) => envelope.type === 'hearth.audit');
    if (found.length === 0) throw new Error('none yet');
    return found;
  });
  expect(event!.subject).toBe('hearth.events.v1.audit.audit.~');
  expect(event!.envelope).toMatchObject({ source: 'hotsock.v1', type: 'hearth.audit', dataType: 'audit' });
  expect(Object.keys(event!.headers).sort()).toEqual(
    ['Hearth-Data-Type', 'Hearth-Source', 'Hearth-Type', 'Nats-Msg-Id'].sort(),
  );
});

describe('a refused credential', () => {
  const REFUSED = { action: 'refuse', outcome: 'refused', actor: 'client', sourceIp: '127.0.0.1' };
  const refused = (door: string, reason: string, more: object = {}) =>
    recorded({ ...REFUSED, ...more, target: { door }, reason });

  it.each<[string, string, object, () => Promise<unknown>]>([
    ['connect', 'expired', {}, () => connect(testbed.gateways[1]!.wsUrl, connectToken({ exp: 1 })).catch(() => 0)],
    ['connect', 'scope', {}, () => connect(testbed.gateways[0]!.wsUrl, umdToken({})).catch(() => 0)],
    [
      'client-http',
      'UNAUTHORIZED',
      {},
      () => fetch(`${testbed.history.httpUrl}/connection/listMessages`, { method: 'POST' }),
    ],
    ['server-http', 'UNAUTHORIZED', {}, () => manager.as('wrong').get('/connections')],
    ['server-http', 'UNAUTHORIZED', {}, () => fetch(`${testbed.publishApiUrl}/publish`, { method: 'POST' })],
    [
      ...(['lambda', 'UnrecognizedClientException', {}] as const),
      () =>
        fetch(`${testbed.publishApiUrl}/2015-03-31/functions/f/invocations`, {
          method: 'POST',
          headers: {
            authorization:
              'AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=00',
            'x-amz-date': '20260101T000000Z',
          },
        }),
    ],
  ])('at the door %s is recorded: %s', async (door, reason, more, show) => {
    // Whatever waited of earlier ones is the last of its second.
    await eventually(async () => {
      await show();
      await refused(door, reason, more);
    });
  });

  it('is recorded of a subscribe and a umd token, too', async () => {
    const client = await testbed.connect({ uid: 'u1' });
    client.ws.send({ event: 'hotsock.subscribe', channel: 'c', data: { token: 'x' } });
    await client.ws.next('hotsock.error');
    await refused('subscribe', 'INVALID_SUBSCRIBE_TOKEN');
    await eventually(async () => {
      expect((await client.call('umdUpdate', { token: 'x' })).status).toBe(403);
      await refused('umd', 'INVALID_UMD_TOKEN');
    });
  });

  it('is one record a second however often it comes, and none is lost', async () => {
    const count = () =>
      lines()
        .filter(({ action, target }) => action === 'refuse' && target.door === 'server-http')
        .reduce((sum, one) => sum + one.count, 0);
    const written = () => lines().filter(({ action }) => action === 'refuse').length;
    await eventually(async () => {
      const before = count();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(count()).toBe(before);
    });
    const [before, linesBefore, begin] = [count(), written(), performance.now()];
    for (let n = 0; n < 200; n++) expect((await manager.as(`wrong-${n}`).get('/channels')).status).toBe(401);
    await eventually(() => expect(count()).toBe(before + 200));
    expect(written() - linesBefore).toBeLessThanOrEqual(Math.ceil((performance.now() - begin) / 1_000) + 1);
    // No credential is in any record.
    expect(JSON.stringify([lines(), events()])).not.toMatch(/wrong-\d|AKIAUNKNOWN|eyJ/);
  });
});

it('records what a limit answers', async () => {
  const channels = { l: { subscribe: true, messages: { '*': { publish: true } } } };
  const client = await testbed.connect({ channels, limits: { publish: [1, 1] } });
  await client.subscribe('l');
  for (let n = 0; n < 5; n++) client.ws.send({ event: 'e', channel: 'l' });
  expect((await client.ws.next('hotsock.error')).error.code).toBe('RATE_LIMITED');
  const target = { limit: 'connectionPublish', key: client.id };
  await recorded({ action: 'limit', outcome: 'refused', actor: 'client', sourceIp: '127.0.0.1', target });
});
