import { ERROR_STATUS, ErrorCode } from '@hearth/protocol';
import { API_KEY, Client, connectToken, post, subscribeToken, Testbed, umdToken } from '../support/installation';
import type { AppName } from '../support/process';
import { Frame, HandshakeRefused, WsClient } from '../support/ws-client';

/**
 * Every code of the table is produced on the wire by at least one case here (websocket-protocol §7). The channel of an
 * error is the name as the client sent it, so most cases use an alias where there is one.
 */

let testbed: Testbed;
let client: Client;
let anonymous: Client;

/** Codes that were seen; the last test compares them with the table. */
const seen = new Set<ErrorCode>();

const CHANNELS = {
  'user.1': {
    alias: 'mine',
    subscribe: true,
    messages: {
      '*': { publish: true },
      'no-reactions': { react: false },
      chat: { publish: true, store: 60, react: ['x'] },
    },
    storage: { readable: { get: true } },
  },
  'not.subscribed': { subscribe: true, messages: { '*': { publish: true } } },
  'presence.room': { subscribe: true, alias: 'room' },
};

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_PRESENCE_MAX_BYTES: '1024' });
  client = await testbed.connect({ uid: 'u1', umd: 'x'.repeat(1_010), channels: CHANNELS });
  await client.subscribe('mine');
  anonymous = await testbed.connect({ channels: CHANNELS });
  await anonymous.subscribe('mine');
});
afterAll(() => testbed.stop());

async function errorTo(to: Client, frame: object | string): Promise<Frame> {
  to.ws.send(frame);
  const answer = await to.ws.next('hotsock.error');
  seen.add(answer.error.code);
  expect(answer.error.message).toEqual(expect.stringMatching(/\S/));
  return answer;
}

const ULID = '01JA3S0TNEC2QBYMZRBMCEXGNW';
const reaction = (value: string) => ({ messageId: ULID, reaction: value, action: 'add' });

describe('errors over the socket echo the channel as it was sent', () => {
  it.each<[ErrorCode, object | string, string | undefined]>([
    ['ALREADY_SUBSCRIBED', { event: 'hotsock.subscribe', channel: 'mine' }, 'mine'],
    ['NOT_SUBSCRIBED', { event: 'e', channel: 'not.subscribed' }, 'not.subscribed'],
    ['NOT_SUBSCRIBED', { event: 'hotsock.unsubscribe', channel: 'room' }, 'room'],
    ['SUBSCRIBE_PERMISSION_DENIED', { event: 'hotsock.subscribe', channel: 'other' }, 'other'],
    ['INVALID_SUBSCRIBE_TOKEN', { event: 'hotsock.subscribe', channel: 'room', data: { token: 'x' } }, 'room'],
    ['PRESENCE_CHANNEL_CAPACITY_REACHED', { event: 'hotsock.subscribe', channel: 'room' }, 'room'],
    ['MALFORMED_MESSAGE', '{', undefined],
    ['MISSING_FIELD', { event: 'hotsock.subscribe' }, undefined],
    ['INVALID_TYPE', { event: ['x'], channel: 'mine' }, 'mine'],
    ['UNKNOWN_EVENT', { event: 'hotsock.foo', channel: 'mine' }, 'mine'],
    ['INVALID_EVENT', { event: 'a*', channel: 'mine' }, 'mine'],
    ['INVALID_CHANNEL', { event: 'e', channel: 'a b' }, 'a b'],
    ['INVALID_STORAGE_KEY', { event: 'hotsock.channelStorageSet', channel: 'mine', key: 'a b' }, 'mine'],
    ['INVALID_REACTION', { event: 'hotsock.messageReaction', channel: 'mine', data: {} }, 'mine'],
    ['INVALID_SCHEDULE', { event: 'e', channel: 'mine', scheduleExpression: 'rate(1 day)' }, 'mine'],
    ['DATA_TOO_LARGE', { event: 'e', channel: 'mine', data: 'x'.repeat(32_767) }, 'mine'],
    ['PUBLISH_PERMISSION_DENIED', { event: 'e', channel: 'other' }, 'other'],
    [
      'SCHEDULE_PERMISSION_DENIED',
      { event: 'e', channel: 'mine', scheduleExpression: 'at(2940-01-01T00:00:00)' },
      'mine',
    ],
    ['STORAGE_PERMISSION_DENIED', { event: 'hotsock.channelStorageSet', channel: 'mine', key: 'readable' }, 'mine'],
    ['STORAGE_PERMISSION_DENIED', { event: 'hotsock.channelStorageGet', channel: 'mine', key: 'secret' }, 'mine'],
    ['MESSAGE_NOT_FOUND', { event: 'hotsock.messageReaction', channel: 'mine', data: reaction('x') }, 'mine'],
    ['INVALID_UMD_TOKEN', { event: 'hotsock.umdUpdate', channel: 'mine', data: { token: 'x' } }, 'mine'],
    ['INVALID_UMD_TOKEN', { event: 'hotsock.umdUpdate', data: { token: 'x' } }, undefined],
  ])('%s (case %#)', async (code, frame, channel) => {
    const answer = await errorTo(client, frame);
    expect([answer.error.code, answer.channel]).toEqual([code, channel]);
  });

  it('PRESENCE_CHANNEL_USER_ID_REQUIRED', async () => {
    const answer = await errorTo(anonymous, { event: 'hotsock.subscribe', channel: 'room' });
    expect([answer.error.code, answer.channel]).toEqual(['PRESENCE_CHANNEL_USER_ID_REQUIRED', 'room']);
  });

  it('REACTION_USER_ID_REQUIRED and REACTION_PERMISSION_DENIED', async () => {
    client.ws.send({ event: 'chat', channel: 'mine', data: 1 });
    const { id } = await anonymous.ws.next('chat');
    const react = (value: string) => ({
      event: 'hotsock.messageReaction',
      channel: 'mine',
      data: { messageId: id, reaction: value, action: 'add' },
    });
    const denied = await errorTo(client, react('y'));
    expect([denied.error.code, denied.channel]).toEqual(['REACTION_PERMISSION_DENIED', 'mine']);
    const nobody = await errorTo(anonymous, react('x'));
    expect([nobody.error.code, nobody.channel]).toEqual(['REACTION_USER_ID_REQUIRED', 'mine']);
  });

  it('UMD_UPDATE_PERMISSION_DENIED', async () => {
    const token = umdToken({ uid: 'u1', umd: 1 });
    const answer = await errorTo(client, { event: 'hotsock.umdUpdate', channel: 'mine', data: { token } });
    expect([answer.error.code, answer.channel]).toEqual(['UMD_UPDATE_PERMISSION_DENIED', 'mine']);
  });

  it('RATE_LIMITED and LIMIT_REACHED', async () => {
    const limited = await testbed.connect({ channels: CHANNELS, limits: { publish: [0.01, 1], storage: 0 } });
    await limited.subscribe('mine');
    limited.ws.send({ event: 'chat', channel: 'mine' });
    const tooMany = await errorTo(limited, { event: 'chat', channel: 'mine' });
    const none = await errorTo(limited, { event: 'hotsock.channelStorageGet', channel: 'mine', key: 'readable' });
    expect([tooMany, none].map(({ error, channel }) => [error.code, channel])).toEqual([
      ['RATE_LIMITED', 'mine'],
      ['LIMIT_REACHED', 'mine'],
    ]);
  });

  it('an error about a subscribe token for another user', async () => {
    const token = subscribeToken({ uid: 'u2', channels: { b: { subscribe: true } } });
    const answer = await errorTo(client, { event: 'hotsock.subscribe', channel: 'b', data: { token } });
    expect([answer.error.code, answer.channel]).toEqual(['INVALID_SUBSCRIBE_TOKEN', 'b']);
  });
});

describe('errors of the HTTP surfaces come with the status of the table', () => {
  it.each<[ErrorCode, string, object]>([
    ['GET_INFO_PERMISSION_DENIED', 'getChannelInfo', { channel: 'mine' }],
    ['STORAGE_PERMISSION_DENIED', 'channelStorageGet', { channel: 'mine', key: 'secret' }],
    ['NOT_SUBSCRIBED', 'listMessages', { channel: 'not.subscribed' }],
    ['MESSAGE_NOT_FOUND', 'listReactions', { channel: 'mine', messageId: ULID }],
    ['INVALID_UMD_TOKEN', 'umdUpdate', { token: 'x' }],
    ['INVALID_CHANNEL', 'getChannelInfo', { channel: 'a b' }],
  ])('%s from connection/%s', async (code, operation, body) => {
    const { status, json } = await client.call(operation, body);
    seen.add(json.error.code);
    expect([status, json.error.code]).toEqual([ERROR_STATUS[code], code]);
  });

  it('UNAUTHORIZED and METHOD_NOT_ALLOWED', async () => {
    const { status, json } = await post(`${client.url}getChannelInfo?connectionId=x&connectionSecret=y`, {
      channel: 'c',
    });
    seen.add(json.error.code);
    expect([status, json.error.code]).toEqual([401, 'UNAUTHORIZED']);
    const answer = await fetch(`${client.url}getChannelInfo${client.query}`);
    const { error } = (await answer.json()) as Frame;
    seen.add(error.code);
    expect([answer.status, error.code]).toEqual([405, 'METHOD_NOT_ALLOWED']);
  });

  it.each<[ErrorCode, string, object]>([
    ['INVALID_STORE', 'publish', { channel: 'c', event: 'e', store: -2 }],
    ['INVALID_DEDUPLICATION_ID', 'publish', { channel: 'c', event: 'e', deduplicationId: 'x'.repeat(129) }],
    ['PAYLOAD_TOO_LARGE', 'publish', { channel: 'c', event: 'e', more: 'x'.repeat(300_000) }],
    ['NOT_FOUND', 'nowhere', {}],
    ['UNKNOWN_FIELD', 'disconnect', { user: 'u1' }],
    ['INVALID_SELECTOR', 'disconnect', { uid: 'u1', jti: 't1' }],
  ])('%s from /%s', async (code, path, body) => {
    const answer = await post(`${testbed.publishApiUrl}/${path}`, body, { authorization: `Bearer ${API_KEY}` });
    seen.add(answer.json.error.code);
    expect([answer.status, answer.json.error.code]).toEqual([ERROR_STATUS[code], code]);
  });

  it('INVALID_CONNECT_TOKEN and UPGRADE_REQUIRED', async () => {
    const refused = await WsClient.open(client.gateway.wsUrl, connectToken({ exp: 1 })).catch(
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(HandshakeRefused);
    const { status, body } = refused as HandshakeRefused;
    const { error } = JSON.parse(body);
    seen.add(error.code);
    expect([status, error.code]).toEqual([401, 'INVALID_CONNECT_TOKEN']);
    const plain = await fetch(client.gateway.wsUrl.replace('ws', 'http'));
    const { error: upgrade } = (await plain.json()) as Frame;
    seen.add(upgrade.code);
    expect([plain.status, upgrade.code]).toEqual([426, 'UPGRADE_REQUIRED']);
  });
});

describe('documents that machines read', () => {
  it('are served by every service with a public port, to browsers too', async () => {
    for (const { name, httpUrl } of ['gateway', 'history', 'publish-api'].map((name) => testbed.app(name as AppName))) {
      const [openapi, asyncapi] = await Promise.all(
        ['openapi', 'asyncapi'].map((document) => fetch(`${httpUrl}/${document}.json`)),
      );
      expect([name, openapi?.status, asyncapi?.status]).toEqual([name, 200, 200]);
      expect(openapi?.headers.get('access-control-allow-origin')).toBe('*');
      const document = (await openapi?.json()) as Frame;
      expect([document.openapi, document.servers]).toEqual([
        '3.1.0',
        [{ url: expect.stringContaining(':') as string }],
      ]);
      expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/publish', '/connection/listMessages']));
      expect(document.webhooks.message.post.requestBody.content).toHaveProperty('application/json');
      expect(((await asyncapi?.json()) as Frame).servers.socket.host).toBe(new URL(httpUrl).host);
    }
  });
});

describe('faults', () => {
  it('SERVICE_UNAVAILABLE while NATS is away, over the socket and over HTTP', async () => {
    await testbed.nats.kill();
    const answer = await errorTo(client, { event: 'e', channel: 'mine' });
    expect([answer.error.code, answer.channel]).toEqual(['SERVICE_UNAVAILABLE', 'mine']);
    const { status, json } = await client.call('getChannelInfo', { channel: 'mine' });
    expect([status, json.error.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    await testbed.nats.restart();
  });

  it('leave no code of the table that nothing here produces', () => {
    const rest = (Object.keys(ERROR_STATUS) as ErrorCode[]).filter((code) => !seen.has(code));
    // There is no input for a node that is older than the one that asks it, nor for a mistake of ours.
    expect(rest).toEqual(['NOT_IMPLEMENTED', 'INTERNAL_ERROR']);
  });
});
