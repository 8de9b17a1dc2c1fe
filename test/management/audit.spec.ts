import { Backend } from '../events/backend';
import { eventually } from '../support/eventually';
import { API_KEY, connectToken, Testbed } from '../support/installation';
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
