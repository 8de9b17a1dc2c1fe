import {
  Config,
  PublishError,
  Publisher,
  ServerApi,
  VERSION,
  type ConfigOptions,
  type PublishResult,
} from '@hearth/server-sdk';
import { freePort } from '../support/free-port';
import { answer, hang, LocalServer, reset, stall, type Step } from './local-server';

const message = { channel: 'c', event: 'e' };
const accepted = { channel: 'c', event: 'e' };
let server: LocalServer;
beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(() => server?.stop());

/** The options of each transport, and the answer that accepts a message. */
const TRANSPORTS = {
  http: {
    options: (): ConfigOptions => ({ publishHttpApiUrl: `${server.url}/publish`, httpApiKey: 'key' }),
    accepts: answer(202, accepted),
  },
  lambda: {
    options: (): ConfigOptions => ({
      publishFunctionArn: 'Publish',
      awsRegion: 'us-east-1',
      awsAccessKeyId: 'AKID',
      awsSecretAccessKey: 'secret',
      lambdaEndpoint: server.url,
    }),
    accepts: answer(200, accepted),
  },
};

function publisher(transport: keyof typeof TRANSPORTS, more: ConfigOptions = {}): Publisher {
  return new Publisher(new Config({ ...TRANSPORTS[transport].options(), ...more }));
}

async function failure(attempt: Promise<PublishResult>): Promise<PublishError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof PublishError) return error;
  throw new Error('there was no PublishError', { cause: error });
}

describe.each(['http', 'lambda'] as const)('publishing by %s (server-sdk §3.1, §5)', (transport) => {
  const { accepts } = TRANSPORTS[transport];

  it.each([
    ['the connection is reset', reset],
    ['the server is overloaded', answer(429, '', { 'retry-after': '0' })],
    ['the server has an error', answer(500)],
    ['the server is away', answer(503, { error: { code: 'SERVICE_UNAVAILABLE', message: 'not queued' } })],
  ])('is tried again when %s', async (_, step) => {
    server.does(step, step, accepts);
    const result = await publisher(transport).publishMessage(message);
    expect(result.json()).toEqual(accepted);
    expect(server.requests.map(({ body }) => body)).toEqual(Array(3).fill('{"event":"e","channel":"c"}'));
  });

  it('is tried again when there is no answer, or half of one, in time', async () => {
    server.does(hang, stall, accepts);
    await publisher(transport, { timeoutMs: 300 }).publishMessage(message);
    expect(server.requests).toHaveLength(3);
  });

  it('waits as long as the server asks for', async () => {
    server.does(answer(429, '', { 'retry-after': '1' }), accepts);
    const startedAt = Date.now();
    await publisher(transport).publishMessage(message);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  it.each([
    [0, 1],
    [1, 2],
    [4, 5],
  ])('is tried again at most as often as maxRetries says, %d times', async (maxRetries, requests) => {
    server.does(answer(503, 'down'));
    const error = await failure(publisher(transport, { maxRetries }).publishMessage(message));
    expect(error).toMatchObject({ statusCode: 503, code: 'HTTP_503', name: 'PublishError' });
    expect(new TextDecoder().decode(error.payload)).toBe('down');
    expect(server.requests).toHaveLength(requests);
  });

  it('is given up at once when the server wants to be left alone for longer than 20 seconds', async () => {
    server.does(answer(503, '', { 'retry-after': '3600' }));
    expect((await failure(publisher(transport).publishMessage(message))).statusCode).toBe(503);
    expect(server.requests).toHaveLength(1);
  });

  it('fails with the last network error as the cause', async () => {
    server.does(reset);
    const error = await failure(publisher(transport).publishMessage(message));
    expect(error).toMatchObject({ statusCode: undefined, code: 'NETWORK_ERROR', payload: undefined });
    expect(error.cause).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    expect(server.requests).toHaveLength(3);
  });

  it('fails with a time-out', async () => {
    server.does(hang);
    const error = await failure(publisher(transport, { timeoutMs: 100, maxRetries: 1 }).publishMessage(message));
    expect(error).toMatchObject({ statusCode: undefined, code: 'TIMEOUT' });
    expect(error.message).toMatch(/^TIMEOUT: 127\.0\.0\.1:\d+ did not answer within 100 ms$/);
    expect(server.requests).toHaveLength(2);
  });

  it('sends a document as it is written', async () => {
    server.does(accepts);
    const json = '{"channel":"c", "event":"e","data":{"n":12345678901234567890,"m":1.10,"s":"\\u00e9 👋"}}';
    await publisher(transport).publishDocument(json);
    expect(server.requests.map(({ body }) => body)).toEqual([json]);
    const error = await publisher(transport)
      .publishDocument({} as never)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ArgumentError', message: 'the document must be a string' });
  });

  it('follows no redirect, which could take the key elsewhere', async () => {
    server.does(answer(307, '', { location: `${server.url}/elsewhere` }));
    expect((await failure(publisher(transport).publishMessage(message))).code).toBe('HTTP_307');
    expect(server.requests).toHaveLength(1);
  });

  it('does not take the answer of something else for success', async () => {
    server.does(answer(transport === 'http' ? 200 : 204));
    expect((await failure(publisher(transport).publishMessage(message))).code).toMatch(/^HTTP_20[04]$/);
  });

  it('tells what the answer holds, raw and parsed', async () => {
    server.does((response) => response.writeHead(transport === 'http' ? 202 : 200).end('{"id":null}'));
    const result = await publisher(transport).publishMessage(message);
    expect(result.statusCode).toBe(transport === 'http' ? 202 : 200);
    expect(result.payload).toEqual(new TextEncoder().encode('{"id":null}'));
    expect([result.text(), result.json()]).toEqual(['{"id":null}', { id: null }]);
  });

  it('goes over connections that are kept', async () => {
    const before = server.connections;
    // On a busy machine some of them wait for long, and a repeat would be a request more.
    const own = publisher(transport, { timeoutMs: 60_000 });
    server.does((response) => setTimeout(() => accepts(response), 5));
    await Promise.all(Array.from({ length: 300 }, () => own.publishMessage(message)));
    expect(server.requests).toHaveLength(300);
    // fetch opens one or the other more than there are requests in flight, for a used one is free a little later.
    expect(server.connections - before).toBeLessThan(150);
  });
});

it('does not take the answer of something else for one of the API', async () => {
  server.does(answer(200, '<html>'));
  const asked = new ServerApi({ httpApiUrl: server.url, httpApiKey: 'k' }).channel('c');
  await expect(asked).rejects.toMatchObject({ name: 'ApiError', code: 'HTTP_200' });
});

it.each<[string, Step[], object]>([
  ['that got no answer', [reset, answer(404)], { code: 'NETWORK_ERROR' }],
  ['that failed', [answer(503), answer(429), answer(404)], { code: 'HTTP_503' }],
  ['that was not done', [answer(429), answer(404)], { code: 'HTTP_404' }],
  ['that was not there', [answer(404)], { code: 'HTTP_404' }],
])('does not take the success of a deletion %s for a refusal of its repetition', async (_, steps, refusal) => {
  server.does(...steps);
  const api = new ServerApi({ httpApiUrl: server.url, httpApiKey: 'k' });
  await expect(api.cancelSchedule('s')).rejects.toMatchObject({ name: 'ApiError', ...refusal });
});

it('fails where nobody listens', async () => {
  const publishHttpApiUrl = `http://127.0.0.1:${await freePort()}/publish`;
  const error = await failure(publisher('http', { publishHttpApiUrl, maxRetries: 0 }).publishMessage(message));
  expect(error.message).toMatch(/^NETWORK_ERROR: no answer from 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
});

describe('refusals by HTTP (publish-api §9)', () => {
  it.each([
    [400, { error: { code: 'INVALID_CHANNEL', message: 'channel is empty' } }, 'INVALID_CHANNEL', 'channel is empty'],
    [401, { error: { code: 'UNAUTHORIZED', message: 'no such key' } }, 'UNAUTHORIZED', 'no such key'],
    [404, '<html>not here</html>', 'HTTP_404', 'the message was not accepted'],
    [403, { error: 'forbidden' }, 'HTTP_403', 'the message was not accepted'],
    [400, 'null', 'HTTP_400', 'the message was not accepted'],
  ])('with %d %j are errors', async (statusCode, body, code, text) => {
    server.does(answer(statusCode, body));
    const error = await failure(publisher('http').publishMessage(message));
    expect(error).toMatchObject({ statusCode, code, message: `${code}: ${text}` });
    expect(server.requests).toHaveLength(1);
  });

  it('come after one request with the key and the type', async () => {
    server.does(answer(202, accepted));
    await publisher('http').publishMessage(message);
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: '/publish',
        headers: { authorization: 'Bearer key', 'content-type': 'application/json' },
      },
    ]);
  });
});

describe('refusals by Lambda (publish-api §10.3, §10.4)', () => {
  const requestId = '7cd9ba5d-0000-4000-8000-000000000000';
  const functionError = answer(
    200,
    { errorType: 'INVALID_CHANNEL', errorMessage: 'channel is empty' },
    { 'x-amz-function-error': 'Unhandled', 'x-amzn-requestid': requestId, 'x-amz-executed-version': '$LATEST' },
  );

  it.each([
    ['ResourceNotFoundException', 404, { Type: 'User', Message: 'no such function' }, 'no such function'],
    ['InvalidSignatureException', 403, { message: 'wrong signature' }, 'wrong signature'],
    ['AccessDeniedException:http://internal.amazon.com/', 403, { Message: 'not you' }, 'not you'],
  ])('have the name of the exception %s', async (type, statusCode, body, text) => {
    server.does(answer(statusCode, body, { 'x-amzn-errortype': type, 'x-amzn-requestid': requestId }));
    const error = await failure(publisher('lambda').publishMessage(message));
    const [code] = type.split(':');
    expect(error).toMatchObject({ statusCode, code, message: `${code}: ${text}`, requestId, functionError: undefined });
    expect(server.requests).toHaveLength(1);
  });

  it('by the function itself are errors', async () => {
    server.does(functionError);
    const error = await failure(publisher('lambda').publishMessage(message));
    expect(error).toMatchObject({
      statusCode: 200,
      code: 'INVALID_CHANNEL',
      message: 'INVALID_CHANNEL: channel is empty',
      functionError: 'Unhandled',
      requestId,
    });
  });

  it('by the function itself are results with throwOnFunctionError: false', async () => {
    server.does(functionError);
    const result = await publisher('lambda', { throwOnFunctionError: false }).publishMessage(message);
    expect(result).toMatchObject({
      statusCode: 200,
      functionError: 'Unhandled',
      executedVersion: '$LATEST',
      requestId,
    });
    expect(result.json()).toEqual({ errorType: 'INVALID_CHANNEL', errorMessage: 'channel is empty' });
  });

  it('come after one request without an invocation type', async () => {
    server.does(answer(200, accepted));
    const publishFunctionArn = 'arn:aws:lambda:us-east-1:111111111111:function:Publish';
    await publisher('lambda', { publishFunctionArn, lambdaEndpoint: `${server.url}/aws/` }).publishMessage(message);
    expect(server.requests).toMatchObject([
      {
        method: 'POST',
        path: `/aws/2015-03-31/functions/${encodeURIComponent(publishFunctionArn)}/invocations`,
        headers: {
          authorization: expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/lambda\//),
        },
      },
    ]);
    expect(server.requests[0]!.headers).not.toHaveProperty('x-amz-invocation-type');
  });
});

describe('settings', () => {
  const lambda = TRANSPORTS.lambda.options;
  it.each<[string, () => ConfigOptions]>([
    ['publishFunctionArn is needed to publish, or publishHttpApiUrl and httpApiKey', () => ({})],
    ['publishFunctionArn is needed to publish, or', () => ({ awsRegion: 'us-east-1' })],
    ['publishHttpApiUrl is needed to publish by HTTP', () => ({ httpApiKey: 'key' })],
    ['httpApiKey is needed to publish by HTTP', () => ({ publishHttpApiUrl: server.url })],
    ['publishFunctionArn is needed to publish by Lambda', () => ({ transport: 'lambda' })],
    ['awsRegion is needed to publish by Lambda', () => ({ publishFunctionArn: 'P' })],
    ['publishHttpApiUrl is needed to publish by HTTP', () => ({ transport: 'http', httpApiKey: 'key' })],
    [
      'httpApiKey is needed to publish by HTTP',
      () => ({ ...lambda(), transport: 'http', publishHttpApiUrl: server.url }),
    ],
    ['awsSecretAccessKey is needed with awsAccessKeyId', () => ({ ...lambda(), awsSecretAccessKey: undefined })],
    ['awsAccessKeyId is needed with awsSecretAccessKey', () => ({ ...lambda(), awsAccessKeyId: undefined })],
    ['timeoutMs must be a number of milliseconds', () => ({ ...lambda(), timeoutMs: 0 })],
    ['lambdaEndpoint must be an http or https URL', () => ({ ...lambda(), lambdaEndpoint: 'localhost:8080' })],
  ])('that are wrong are named at the first message: %s', async (problem, options) => {
    const own = new Publisher(new Config(options()));
    await expect(own.publishMessage(message)).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining(problem),
      option: problem.split(' ', 1)[0],
    });
  });

  it('that name both transports choose Lambda, unless transport says otherwise', async () => {
    const both = { ...TRANSPORTS.http.options(), ...lambda() };
    server.does(answer(200, accepted), answer(202, accepted));
    await new Publisher(both).publishMessage(message);
    await new Publisher({ ...both, transport: 'http' }).publishMessage(message);
    expect(server.requests.map(({ path }) => path)).toEqual(['/2015-03-31/functions/Publish/invocations', '/publish']);
  });

  it('are read at the first message', async () => {
    server.does(answer(202, accepted));
    const config = new Config();
    const own = new Publisher(config);
    await expect(own.publishMessage(message)).rejects.toThrow('publishFunctionArn is needed');
    Object.assign(config, TRANSPORTS.http.options());
    await own.publishMessage(message);
    config.httpApiKey = 'another';
    await own.publishMessage(message);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer key', 'Bearer key']);
  });

  it('of two publishers do not influence each other', async () => {
    server.does(answer(200, accepted));
    const regions = ['us-east-1', 'us-west-2'];
    const publishers = regions.map((awsRegion) =>
      publisher('lambda', { awsRegion, publishFunctionArn: `P-${awsRegion}`, awsAccessKeyId: `AKID-${awsRegion}` }),
    );
    await Promise.all([...publishers, ...publishers].map((one) => one.publishMessage(message)));
    expect(server.requests).toHaveLength(4);
    for (const { path, headers } of server.requests) {
      const [, region] = /functions\/P-(.*)\/invocations/.exec(path)!;
      expect(headers.authorization).toMatch(new RegExp(`Credential=AKID-${region}/\\d+/${region}/lambda/`));
    }
  });
});

describe('the environment', () => {
  const kept = process.env;
  afterEach(() => (process.env = kept));
  const setEnvironment = (env: Record<string, string>) => (process.env = { PATH: kept.PATH, ...env });
  const options = { publishFunctionArn: 'P', awsRegion: 'us-east-1' };

  it('gives the endpoint and the credentials that the configuration does not', async () => {
    server.does(answer(200, accepted));
    const keys = { AWS_ACCESS_KEY_ID: 'AKIDENV', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 'token' };
    setEnvironment({ ...keys, AWS_ENDPOINT_URL_LAMBDA: server.url, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' });
    await new Publisher(options).publishMessage(message);
    setEnvironment({ ...keys, AWS_ENDPOINT_URL: `${server.url}/general` });
    await new Publisher(options).publishMessage(message);
    await new Publisher({ ...options, lambdaEndpoint: `${server.url}/own` }).publishMessage(message);
    await new Publisher({ ...options, awsAccessKeyId: 'AKIDOWN', awsSecretAccessKey: 's' }).publishMessage(message);
    expect(server.requests.map(({ path }) => path.split('2015')[0])).toEqual(['/', '/general/', '/own/', '/general/']);
    const sent = server.requests.map(({ headers }) => [
      /Credential=(\w+)/.exec(headers.authorization!)![1],
      headers['x-amz-security-token'],
    ]);
    expect(sent).toEqual([...Array<string[]>(3).fill(['AKIDENV', 'token']), ['AKIDOWN', undefined]]);
  });

  it('is named when its endpoint cannot be used', async () => {
    setEnvironment({ AWS_ENDPOINT_URL: 'localhost:8080' });
    await expect(new Publisher(options).publishMessage(message)).rejects.toThrow(
      'AWS_ENDPOINT_URL must be an http or https URL',
    );
  });
});

it('has the version of its package', () => {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  expect(VERSION).toBe(require('../../libs/server-sdk/package.json').version);
});
