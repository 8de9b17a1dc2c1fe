import { Client, Testbed, umdToken } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { EventLog, ofConnection } from './event-log';

let testbed: Testbed;
let events: EventLog;
beforeAll(async () => {
  testbed = await Testbed.start();
  events = await EventLog.open(testbed.nats.url);
});
afterAll(async () => {
  await events.close();
  await testbed.stop();
});

let channels = 0;
const newName = (): string => `u${channels++}`;
let opened = 0;
const ANY = { '*': { subscribe: true, messages: { '*': { publish: true, echo: true, broadcast: true } } } };
const connect = (claims: Record<string, unknown> = {}): Promise<Client> =>
  testbed.connect({ uid: 'u1', channels: ANY, ...claims }, testbed.gateways[opened++ % 2]);

/** Asks over the socket; gives the refusal's code, or nothing when a later frame shows that there was none. */
async function update(client: Client, claims: Record<string, unknown>, channel?: string): Promise<Frame> {
  client.ws.send({ event: 'hotsock.umdUpdate', channel, data: { token: umdToken({ uid: 'u1', ...claims }) } });
  client.ws.send({ event: 'hotsock.ping' });
  const frame = await client.ws.next(({ event }) => event === 'hotsock.error' || event === 'hotsock.pong');
  if (frame.event === 'hotsock.error') await client.ws.next('hotsock.pong');
  return frame.error?.code;
}

/** The metadata that a message of this client carries. */
async function speaks(client: Client, channel: string): Promise<unknown> {
  client.ws.send({ event: 'e', channel, data: null });
  return (await client.ws.next((frame) => frame.event === 'e' && frame.channel === channel)).meta.umd;
}

describe('a umd update of a subscription', () => {
  it('changes what its messages carry, and nothing else (U1)', async () => {
    const [channel, other] = [newName(), newName()];
    const client = await connect({ umd: 0 });
    await client.subscribe(channel);
    await client.subscribe(other);
    expect(await update(client, { umd: 1, channels: { [channel]: { umdUpdate: true } } }, channel)).toBeUndefined();
    expect([await speaks(client, channel), await speaks(client, other)]).toEqual([1, 0]);
    // A missing umd is null.
    expect(await update(client, { channels: { [channel]: { umdUpdate: true } } }, channel)).toBeUndefined();
    expect(await speaks(client, channel)).toBeNull();
  });

  it.each([
    ['without a subscription (U2)', { channels: { a: { umdUpdate: true } } }, 'a', 'NOT_SUBSCRIBED'],
    [
      'of the connection with a channel directive (U3)',
      { channels: { a: { umdUpdate: true } } },
      undefined,
      'UMD_UPDATE_PERMISSION_DENIED',
    ],
    ['of a channel with the top-level claim (U4)', { umdUpdate: true }, 'sub', 'UMD_UPDATE_PERMISSION_DENIED'],
    ['with umdPropagate alone (U6)', { umdPropagate: true }, undefined, 'UMD_UPDATE_PERMISSION_DENIED'],
    ['for another user (U7)', { uid: 'u2', umdUpdate: true }, undefined, 'INVALID_UMD_TOKEN'],
    ['for nobody (U7)', { uid: undefined, umdUpdate: true }, undefined, 'INVALID_UMD_TOKEN'],
    ['with a token of another scope (U7)', { scope: 'connect', umdUpdate: true }, undefined, 'INVALID_UMD_TOKEN'],
    ['that only the connect token grants (U8)', { channels: {} }, 'sub', 'UMD_UPDATE_PERMISSION_DENIED'],
  ])('is refused %s', async (_what, claims, channel, code) => {
    const client = await connect({ channels: { ...ANY, sub: { subscribe: true, umdUpdate: true } } });
    await client.subscribe('sub');
    expect(await update(client, claims, channel)).toBe(code);
    const token = umdToken({ uid: 'u1', ...claims });
    const { status, json } = await client.call('umdUpdate', { channel, token });
    expect([status, json.error.code]).toEqual([403, code]);
  });

  it.each([
    [{}, 400, 'MISSING_FIELD'],
    [{ token: 1 }, 403, 'INVALID_UMD_TOKEN'],
    [{ token: 'x' }, 403, 'INVALID_UMD_TOKEN'],
    [{ token: 'x', channel: 'a b' }, 400, 'INVALID_CHANNEL'],
  ])('over HTTP refuses %j', async (body, status, code) => {
    const answer = await (await connect()).call('umdUpdate', body);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
  });

  it('tells the members of a presence channel, and the asking connection, when the value really changed', async () => {
    const channel = `presence.${newName()}`;
    const [observer, client] = [await connect({ uid: 'o' }), await connect({ umd: { a: 1, b: 2 } })];
    await observer.subscribe(channel);
    await client.subscribe(channel);
    const grant = { channels: { [channel]: { umdUpdate: true } } };
    expect(await update(client, { umd: { b: 2, a: 1 }, ...grant }, channel)).toBeUndefined();
    const { status, text } = await client.call('umdUpdate', {
      channel,
      token: umdToken({ uid: 'u1', umd: 'new', ...grant }),
    });
    expect([status, text]).toEqual([200, '{}']);
    const changed = { uid: 'u1', umd: 'new' };
    const frame = {
      event: 'hotsock.memberUpdated',
      channel,
      data: { member: changed, members: [{ uid: 'o', umd: null }, changed] },
    };
    expect(await observer.ws.next('hotsock.memberUpdated')).toEqual(frame);
    expect(await client.ws.next('hotsock.memberUpdated')).toEqual(frame);
    expect(await speaks(client, channel)).toBe('new');
    expect((await testbed.channel(channel)).members[1]).toEqual(changed);
  });

  it('changes nothing when the channel has no room for it', async () => {
    const channel = `presence.${newName()}`;
    const small = await Testbed.start({ HEARTH_PRESENCE_MAX_BYTES: '1024' });
    try {
      const client = await small.connect({ uid: 'u1', umd: 'x'.repeat(900), channels: ANY });
      const other = await small.connect({ uid: 'u2', channels: ANY });
      await client.subscribe(channel);
      await other.subscribe(channel);
      const long = { umd: 'y'.repeat(1_000), channels: { [channel]: { umdUpdate: true } } };
      expect(await update(client, long, channel)).toBe('PRESENCE_CHANNEL_CAPACITY_REACHED');
      const { status } = await client.call('umdUpdate', { channel, token: umdToken({ uid: 'u1', ...long }) });
      expect(status).toBe(409);
      expect(await speaks(client, channel)).toBe('x'.repeat(900));
      // Propagated, it skips that channel with an error that names it.
      await client.subscribe('plain');
      const everywhere = { umd: 'y'.repeat(1_000), umdUpdate: true, umdPropagate: true };
      client.ws.send({ event: 'hotsock.umdUpdate', data: { token: umdToken({ uid: 'u1', ...everywhere }) } });
      expect(await client.ws.next('hotsock.error')).toMatchObject({
        channel,
        error: { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED' },
      });
      expect(await speaks(client, 'plain')).toBe('y'.repeat(1_000));
      expect(await speaks(client, channel)).toBe('x'.repeat(900));
      expect(client.ws.frames.filter(({ event }) => event === 'hotsock.memberUpdated')).toEqual([]);
    } finally {
      await small.stop();
    }
  });

  it('uses a single-use token up, but only one that is accepted', async () => {
    const channel = newName();
    const client = await connect();
    const token = umdToken({
      uid: 'u1',
      umd: 1,
      singleUse: true,
      jti: newName(),
      channels: { [channel]: { umdUpdate: true } },
    });
    expect((await client.call('umdUpdate', { channel, token })).json.error.code).toBe('NOT_SUBSCRIBED');
    await client.subscribe(channel);
    expect((await client.call('umdUpdate', { channel, token })).status).toBe(200);
    expect((await client.call('umdUpdate', { channel, token })).json.error.code).toBe('INVALID_UMD_TOKEN');
  });
});

describe('a umd update of a connection', () => {
  it('is for later subscriptions and messages without one; existing ones keep theirs (acceptance 9)', async () => {
    const [old, later, none] = [newName(), newName(), newName()];
    const client = await connect({ umd: 0 });
    const listener = await connect();
    await client.subscribe(old);
    await listener.subscribe(none);
    expect(await update(client, { umd: 1, umdUpdate: true })).toBeUndefined();
    expect((await client.subscribe(later)).meta).toEqual({ uid: 'u1', umd: 1 });
    expect([await speaks(client, old), await speaks(client, later)]).toEqual([0, 1]);
    client.ws.send({ event: 'e', channel: none, data: null });
    expect((await listener.ws.next('e')).meta).toEqual({ uid: 'u1', umd: 1 });
  });

  it('reaches all subscriptions with umdPropagate (U5)', async () => {
    const [standard, presence] = [newName(), `presence.${newName()}`];
    const client = await connect({ umd: 0 });
    await client.subscribe(standard);
    await client.subscribe(presence);
    expect(await update(client, { umd: 1, umdUpdate: true, umdPropagate: true })).toBeUndefined();
    expect([await speaks(client, standard), await speaks(client, presence)]).toEqual([1, 1]);
    expect(client.ws.frames.find(({ event }) => event === 'hotsock.memberUpdated').data).toEqual({
      member: { uid: 'u1', umd: 1 },
      members: [{ uid: 'u1', umd: 1 }],
    });
  });

  it('is told to backends when the value really changed', async () => {
    const client = await connect({ umd: { a: 1, b: 2 } });
    await update(client, { umd: { b: 2, a: 1 }, umdUpdate: true });
    await update(client, { umd: 'new', umdUpdate: true });
    await update(client, { umd: 'new', umdUpdate: true });
    await client.ws.close();
    await events.next('disconnected', ofConnection(client.id));
    expect(events.names(ofConnection(client.id))).toEqual(['connected', 'connectionUpdated', 'disconnected']);
    expect((await events.next('connectionUpdated', ofConnection(client.id))).data).toMatchObject({
      id: client.id,
      disconnectedAt: null,
      uid: 'u1',
      umd: 'new',
    });
  });

  it('works over HTTP until the connection is closed', async () => {
    const client = await connect({ umd: 0 });
    const token = umdToken({ connectionId: client.id, umd: 1, umdUpdate: true });
    expect((await client.call('umdUpdate', { token })).text).toBe('{}');
    expect((await client.subscribe(newName())).meta).toEqual({ uid: 'u1', umd: 1 });
    await client.ws.close();
    await eventually(async () => {
      const { status, json } = await client.call('umdUpdate', { token });
      expect([status, json.error?.code]).toEqual([401, 'UNAUTHORIZED']);
    });
  });
});
