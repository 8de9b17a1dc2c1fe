import {
  configure,
  issueToken,
  Issuer,
  Publisher,
  publishMessage,
  ServerApi,
  type ConfigOptions,
  type DisconnectInput,
} from '@hearth/server-sdk';
import { eventually } from '../support/eventually';
import { connect, HandshakeRefused, type WsClient } from '../support/ws-client';
import { ACCESS_KEY, ANY_TEXT_KEY, API_KEY, FUNCTION_NAME, startInstallation, type Installation } from './installation';

/** Here it is written as it is, and as its Base64 in the server's configuration (server-sdk §6.5). */
const SECRET = 's';
const signing: ConfigOptions = {
  issuerKeyAlgorithm: 'HS256',
  issuerPrivateKey: SECRET,
  issuerKeyId: '95616b70',
  issuerAudClaim: 'hotsock',
  issuerIssClaim: 'my-application-name',
};
const ADMIN_TOKEN = 'the-operators-own-token';
let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation({
    HEARTH_SIGNING_KEY_1_METHOD: 'HS256',
    HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from(SECRET).toString('base64'),
    HEARTH_SIGNING_KEY_1_ID: '95616b70',
    HEARTH_TOKEN_AUDIENCE: 'hotsock',
    HEARTH_TOKEN_ISSUER: 'my-application-name',
    HEARTH_ADMIN_TOKEN: ADMIN_TOKEN,
  });
});
afterAll(() => installation?.stop());

const byLambda = (more: ConfigOptions = {}) =>
  new Publisher({
    publishFunctionArn: FUNCTION_NAME,
    awsRegion: 'us-east-1',
    lambdaEndpoint: installation.publishApi.httpUrl,
    ...ACCESS_KEY,
    ...more,
  });
const byHttp = (more: ConfigOptions = {}) =>
  new Publisher({ publishHttpApiUrl: `${installation.publishApi.httpUrl}/publish`, httpApiKey: API_KEY, ...more });

/** A client that is subscribed to a channel with a token of the library. */
async function subscriber(channel: string): Promise<WsClient> {
  const token = new Issuer({ ...signing, issuerTokenTtl: 60 }).issueToken({
    scope: 'connect',
    channels: { [channel]: { subscribe: true, autoSubscribe: true } },
  });
  const client = await connect(installation.gateway.wsUrl, token);
  await client.next('hotsock.subscribed');
  return client;
}

/** The stored messages of a channel, oldest first. */
async function stored(channel: string) {
  const { rows } = await installation.sql.query<Record<string, unknown>>(
    'select id, event, data, meta, trigger, request_id from message_log where channel = $1 order by id',
    [channel],
  );
  return rows;
}

describe('publishing to Hearth (server-sdk §6)', () => {
  it('brings the same message by both transports, and only the trigger differs', async () => {
    const client = await subscriber('user.1');
    const message = {
      channel: 'user.1',
      event: 'user.updated',
      data: { name: 'Zoë 👋', n: [0, -1.5, 1e300], nothing: null, empty: '', no: false },
      store: 60,
      emitPubSubEvent: true,
      aMemberOfTheFuture: true,
    };
    const lambda = await byLambda().publishMessage(message);
    const http = await byHttp().publishMessage(message);
    expect([lambda.statusCode, http.statusCode]).toEqual([200, 202]);
    expect(lambda.payload).toEqual(http.payload);
    expect(lambda.json()).toEqual({ channel: 'user.1', event: 'user.updated' });
    expect([lambda.warning, http.warning]).toEqual(Array(2).fill('unknown-field;name="aMemberOfTheFuture"'));
    const frames = [await client.next('user.updated'), await client.next('user.updated')];
    const rows = await stored('user.1');
    const { channel, event, data } = message;
    for (const [n, frame] of frames.entries()) expect(frame).toEqual({ id: rows[n]!.id, channel, event, data });
    expect(rows.map(({ trigger }) => trigger)).toEqual(['server.lambda', 'server.http']);
    expect(rows[0]!.request_id).toBe(lambda.requestId);
    const same = rows.map(({ id: _id, trigger: _trigger, request_id: _requestId, ...rest }) => rest);
    expect(same[0]).toEqual(same[1]);
    await client.close();
  });

  it('gives the ID of the message when it is asked to', async () => {
    const client = await subscriber('eager');
    for (const publisher of [byLambda(), byHttp()]) {
      const result = await publisher.publishMessage({ channel: 'eager', event: 'e', eagerIdGeneration: true });
      expect(await client.next('e')).toMatchObject({ id: result.json().id, data: null });
    }
    await client.close();
  });

  it.each([
    `arn:aws:lambda:us-east-1:111111111111:function:${FUNCTION_NAME}`,
    `${FUNCTION_NAME}:$LATEST`,
    `111111111111:function:${FUNCTION_NAME}`,
  ])('works with the function %s', async (publishFunctionArn) => {
    const result = await byLambda({ publishFunctionArn, awsSessionToken: 'a//token+=' }).publishMessage({
      channel: 'c',
      event: 'e',
    });
    expect(result).toMatchObject({ statusCode: 200, executedVersion: '$LATEST', functionError: undefined });
  });

  it('works with an API key of any text', async () => {
    const publisher = byHttp({ httpApiKey: ANY_TEXT_KEY });
    expect(await publisher.publishMessage({ channel: 'c', event: 'e' })).toMatchObject({ statusCode: 202 });
  });

  it.each<[string, ConfigOptions, number]>([
    ['InvalidSignatureException', { awsSecretAccessKey: 'wrong' }, 403],
    ['UnrecognizedClientException', { awsAccessKeyId: 'AKIAUNKNOWN' }, 403],
    ['ResourceNotFoundException', { publishFunctionArn: 'Another' }, 404],
  ])('by Lambda fails with %s', async (code, options, statusCode) => {
    const attempt = byLambda(options).publishMessage({ channel: 'c', event: 'e' });
    await expect(attempt).rejects.toMatchObject({ name: 'PublishError', code, statusCode });
  });

  it('fails with the code of a wrong message by both transports, with Lambda only unless told otherwise', async () => {
    const wrong = { channel: 'a channel', event: 'e' };
    await expect(byHttp().publishMessage(wrong)).rejects.toMatchObject({ code: 'INVALID_CHANNEL', statusCode: 400 });
    await expect(byLambda().publishMessage(wrong)).rejects.toMatchObject({
      code: 'INVALID_CHANNEL',
      statusCode: 200,
      functionError: 'Unhandled',
    });
    const result = await byLambda({ throwOnFunctionError: false }).publishMessage(wrong);
    expect(result.json()).toMatchObject({ errorType: 'INVALID_CHANNEL' });
    await expect(byHttp({ httpApiKey: 'wrong' }).publishMessage(wrong)).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
      statusCode: 401,
    });
  });

  it.each(['lambda', 'http'] as const)(
    'delivers 1,000 messages that one %s publisher is given at once',
    async (name) => {
      const client = await subscriber(`many.${name}`);
      const publisher = name === 'lambda' ? byLambda() : byHttp();
      const numbers = Array.from({ length: 1_000 }, (_, n) => n);
      await Promise.all(numbers.map((data) => publisher.publishMessage({ channel: `many.${name}`, event: 'n', data })));
      const received = new Set<number>();
      for (let n = 0; n < 1_000; n++) received.add((await client.next('n')).data);
      expect(received.size).toBe(1_000);
      await client.close();
    },
  );
});

describe('tokens for Hearth', () => {
  it('with all defaults on are accepted', async () => {
    configure({ ...signing, issuerIatClaim: true, issuerJtiClaim: true, issuerTokenTtl: 10 });
    const token = issueToken({ scope: 'connect', uid: '1', umd: { name: 'Zoë' }, singleUse: true });
    const client = await connect(installation.gateway.wsUrl, token);
    expect((await client.connected()).event).toBe('hotsock.connected');
    await client.close();
    await expect(connect(installation.gateway.wsUrl, token)).rejects.toThrow(HandshakeRefused);
  });

  it('without an end are refused', async () => {
    const token = new Issuer(signing).issueToken({ scope: 'connect' });
    await expect(connect(installation.gateway.wsUrl, token)).rejects.toMatchObject({ status: 401 });
  });

  it('and messages come from the process-wide configuration together', async () => {
    configure({ publishHttpApiUrl: `${installation.publishApi.httpUrl}/publish`, httpApiKey: API_KEY });
    const client = await subscriber('together');
    await publishMessage({ channel: 'together', event: 'e', data: '👋' });
    expect((await client.next('e')).data).toBe('👋');
    await client.close();
  });
});

/** What this installation's applications send over its channels. */
interface MyChannels {
  'room.*': { events: { chat: { text: string } }; storage: { topic: string; limit: number } };
  'presence.*': { events: { hello: string }; member: { name: string } };
}

describe('what a backend may ask and tell (server-sdk §7)', () => {
  const address = () => installation.publishApi.httpUrl;
  const publisher = () => new Publisher<MyChannels>({ httpApiUrl: address(), httpApiKey: API_KEY });
  const api = (more: ConfigOptions = {}) =>
    new ServerApi<MyChannels>({ publishHttpApiUrl: `${address()}/publish`, httpApiKey: API_KEY, ...more });

  /** A client of a user that is subscribed to channels. */
  async function join(uid: string, ...channels: string[]): Promise<{ client: WsClient; id: string }> {
    const all = Object.fromEntries(channels.map((name) => [name, { subscribe: true, autoSubscribe: true }]));
    const token = new Issuer({ ...signing, issuerTokenTtl: 60 }).issueToken({
      scope: 'connect',
      uid,
      umd: { name: uid },
      channels: all,
    });
    const client = await connect(installation.gateway.wsUrl, token);
    for (const _ of channels) await client.next('hotsock.subscribed');
    return { client, id: (await client.connected()).data.connectionId as string };
  }

  it('publishes a batch, all of it or nothing', async () => {
    const { client } = await join('batch', 'room.1');
    const result = await publisher().publishBatch([
      { channel: 'room.1', event: 'chat', data: { text: 'a' } },
      { channel: 'room.1', event: 'chat', data: { text: 'b' }, eagerIdGeneration: true },
    ]);
    const [first, second] = result.json();
    expect([result.statusCode, first?.id, second?.id]).toEqual([202, undefined, expect.any(String)]);
    expect([(await client.next('chat')).data, (await client.next('chat')).data]).toEqual([
      { text: 'a' },
      { text: 'b' },
    ]);
    const wrong = publisher().publishBatch([
      { channel: 'room.1', event: 'chat', data: { text: 'c' } },
      { channel: 'room. 1', event: 'chat', data: { text: 'd' } },
    ]);
    await expect(wrong).rejects.toMatchObject({ name: 'PublishError', code: 'INVALID_CHANNEL', index: 1 });
    const noAddress = byLambda().publishBatch([{ channel: 'c', event: 'e' }]);
    await expect(noAddress).rejects.toMatchObject({ name: 'ConfigurationError', option: 'publishHttpApiUrl' });
    await client.close();
  });

  it('knows who is in a channel, and what it stores', async () => {
    const { client } = await join('Zoë', 'presence.a/ü');
    expect(await api().channel('presence.a/ü')).toEqual({
      name: 'presence.a/ü',
      subscriptionsCount: 1,
      members: [{ uid: 'Zoë', umd: { name: 'Zoë' } }],
    });
    expect(await api().members('presence.nobody')).toEqual([]);
    await client.close();

    await publisher().setStorage('room.s', 'topic', 'x');
    await publisher().setStorage('room.s', 'limit', 5);
    await publisher().setStorage('room.s', 'topic', null);
    for (let n = 0; n < 120; n++)
      void publisher().setStorage('room.s', `k${String(n).padStart(3, '0')}` as 'topic', '');
    await eventually(async () => {
      const keys: string[] = [];
      for await (const { key } of api().storage('room.s')) keys.push(key);
      expect(keys).toHaveLength(121);
      expect(keys).toEqual([...keys].sort());
    });
    const meta = { uid: null, umd: null };
    expect((await api().storage('room.s', ['limit', 'topic']).page()).items).toEqual([{ key: 'limit', data: 5, meta }]);
    expect((await api().storage('room.s', []).page()).items).toEqual([]);
    expect((await api().storage('room.s').page({ limit: 1 })).next).toBe('k000');
    for (const key of ['', 'a,b']) {
      await expect(
        api()
          .storage('room.s', [key as 'topic'])
          .page(),
      ).rejects.toMatchObject({ name: 'ArgumentError' });
    }
  });

  it('reads what is stored of a channel, in both directions', async () => {
    const texts = Array.from({ length: 120 }, (_, n) => `${n}`);
    for (let from = 0; from < texts.length; from += 60) {
      const chat = { channel: 'room.h', event: 'chat', store: 600 } as const;
      await publisher().publishBatch(texts.slice(from, from + 60).map((text) => ({ ...chat, data: { text } })));
    }
    const read: string[] = [];
    for await (const { data } of api().messages('room.h')) read.push(data.text);
    expect(read).toEqual(texts);
    const newest = await api().messages('room.h', { reverse: true }).page({ limit: 2 });
    const before = await api().messages('room.h', { reverse: true }).page({ limit: 1, after: newest.next! });
    const found = [...newest.messages, ...before.messages].map(({ data }) => data);
    expect(found).toEqual([{ text: '119' }, { text: '118' }, { text: '117' }]);
  });

  it('reacts to a stored message, in the name of a user', async () => {
    const { client } = await join('reader', 'room.r');
    const message = {
      channel: 'room.r',
      event: 'chat',
      data: { text: 'a' },
      store: 60,
      eagerIdGeneration: true,
    } as const;
    const { id } = (await publisher().publishMessage(message)).json();
    const reaction = { messageId: String(id), reaction: '👍', uid: 'u' };
    await eventually(() => publisher().react('room.r', reaction));
    expect(await client.next('hotsock.messageReactionAdded')).toMatchObject({ meta: { uid: 'u' } });
    const missing = publisher().react('room.r', {
      ...reaction,
      messageId: '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ',
      action: 'remove',
    });
    await expect(missing).rejects.toMatchObject({ code: 'MESSAGE_NOT_FOUND' });
    await client.close();
  });

  it('lists schedules and cancels them', async () => {
    const at = { scheduleExpression: 'at(2099-01-01T00:00:00)' };
    const chat = { channel: 'room.later', event: 'chat', ...at } as const;
    const arns: string[] = [];
    for (const text of ['a', 'b', 'c']) {
      const result = await publisher().publishMessage({ ...chat, data: { text } });
      arns.push(result.json().scheduleArn ?? '');
    }
    const found: string[] = [];
    for await (const { scheduleArn } of api().schedules({ channel: 'room.later' })) found.push(scheduleArn);
    expect(found).toEqual(arns);
    const { schedules, next } = await api().schedules({ channel: 'room.later' }).page({ limit: 2 });
    expect([schedules.length, next]).toEqual([2, schedules[1]?.id]);
    expect(await api().schedule(arns[2]!)).toMatchObject({ event: 'chat', data: { text: 'c' }, store: 0, key: null });
    await api().cancelSchedule(schedules[0]!.id);
    await expect(api().cancelSchedule(arns[0]!)).rejects.toMatchObject({ name: 'ApiError', code: 'NOT_FOUND' });
  });

  it('lists connections and channels, and sends clients away', async () => {
    const users = await Promise.all(['u1', 'u2', 'u2'].map((uid) => join(uid, 'room.away')));
    const [one, two, three] = users as [(typeof users)[0], (typeof users)[0], (typeof users)[0]];
    const ids: string[] = [];
    for await (const { id, uid } of api().connections({ channel: 'room.away' })) ids.push(`${uid} ${id}`);
    expect(ids.sort()).toEqual([`u1 ${one.id}`, `u2 ${two.id}`, `u2 ${three.id}`].sort());
    expect(await api().connections({ uid: 'u2' }).page({ limit: 1 })).toMatchObject({ total: 2, complete: true });
    expect(await api().connection(one.id)).toMatchObject({ uid: 'u1', subscriptions: [{ channel: 'room.away' }] });
    const channels: object[] = [];
    for await (const channel of api().channels({ prefix: 'room.away' })) channels.push(channel);
    expect(channels).toEqual([{ name: 'room.away', subscriptionsCount: 3, connectionsCount: 3 }]);

    await api({ adminToken: ADMIN_TOKEN, httpApiKey: undefined }).closeConnection(one.id, { reason: 'bye' });
    expect(await one.client.closed).toEqual({ code: 4403, reason: 'bye' });
    expect(await api().unsubscribe({ channel: 'room.away', connectionId: two.id })).toMatchObject({ unsubscribed: 1 });
    await two.client.next('hotsock.unsubscribed');
    const gone = await api().disconnect({ uid: 'u2', except: [two.id], reason: 'out', reconnect: true });
    expect(gone).toEqual({ disconnected: 1, complete: true, refusedUntil: null });
    expect(await three.client.closed).toEqual({ code: 4401, reason: 'out' });
    await expect(api().connection(three.id)).rejects.toMatchObject({ code: 'NOT_FOUND', statusCode: 404 });
    await two.client.close();
  });

  it('takes tokens back', async () => {
    const { client } = await join('revoked', 'room.1');
    const revoked = await api().revoke({ uid: 'revoked', reason: 'stolen', keepFor: 60 });
    expect(revoked).toMatchObject({ uid: 'revoked', jti: null, reason: 'stolen', disconnected: 1, complete: true });
    expect(await client.closed).toMatchObject({ code: 4401 });
    const { disconnected: _, complete: __, ...revocation } = revoked;
    expect(await api().revocations({ uid: 'revoked' }).page()).toEqual({ revocations: [revocation], next: null });
    expect(await api().revocation(revoked.id)).toEqual(revocation);
    await api().unrevoke(revoked.id);
    await expect(api().revocation(revoked.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('says what is wrong', async () => {
    const both = { uid: 'u', channel: 'c' } as unknown as DisconnectInput;
    await expect(api().disconnect(both)).rejects.toMatchObject({ name: 'ApiError', code: 'INVALID_SELECTOR' });
    await expect(api({ httpApiKey: 'wrong' }).channel('room.1')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await expect(api({ httpApiKey: '' }).channel('room.1')).rejects.toMatchObject({ option: 'httpApiKey' });
    await expect(api({ publishHttpApiUrl: 'http://a.b/x' }).channel('room.1')).rejects.toMatchObject({
      option: 'httpApiUrl',
    });
    await expect(api().connection('..')).rejects.toMatchObject({ name: 'ArgumentError' });
    const unreachable = api({ httpApiUrl: 'http://127.0.0.1:1', maxRetries: 0 });
    await expect(unreachable.connection('x')).rejects.toMatchObject({ name: 'ApiError', code: 'NETWORK_ERROR' });
  });
});
