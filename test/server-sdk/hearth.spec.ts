import { configure, issueToken, Issuer, Publisher, publishMessage, type ConfigOptions } from '@hearth/server-sdk';
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
let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation({
    HEARTH_SIGNING_KEY_1_METHOD: 'HS256',
    HEARTH_SIGNING_KEY_1_ENCODED: Buffer.from(SECRET).toString('base64'),
    HEARTH_SIGNING_KEY_1_ID: '95616b70',
    HEARTH_TOKEN_AUDIENCE: 'hotsock',
    HEARTH_TOKEN_ISSUER: 'my-application-name',
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
