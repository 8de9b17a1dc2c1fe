import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import {
  ACCESS_KEY,
  FUNCTION_ARN,
  FUNCTION_NAME,
  invocationPath,
  sendRequest,
  signed,
  ToSign,
  WireAnswer,
} from '../aws/signed-request';
import { post, rawExchange, startAll, startPublishApi } from './publish-api';

const OTHER_KEY = { id: 'AKIAOTHEROTHEROTHERO', secret: 'another-secret' };
const ACCESS_KEYS = `${ACCESS_KEY.id}:${ACCESS_KEY.secret},${OTHER_KEY.id}:${OTHER_KEY.secret}`;
const MAX_BODY = 262_144;
let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  all = await startAll({
    HEARTH_AWS_ACCESS_KEYS: ACCESS_KEYS,
    HEARTH_PUBLISH_FUNCTION_NAMES: `${FUNCTION_NAME},second`,
    HEARTH_AWS_REGION: 'eu-west-3',
    HEARTH_AWS_ACCOUNT_ID: '111122223333',
    HEARTH_LOG_LEVEL: 'DEBUG',
  });
});
afterAll(() => all?.stop());

const host = () => `127.0.0.1:${all.app.port}`;

/** Signs and sends an invocation. */
function invoke(message: object | string | Buffer, more: Partial<ToSign> = {}): Promise<WireAnswer> {
  const body = typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message);
  return sendRequest(all.app.port, signed({ host: host(), body, ...more }));
}

function as(type: string): Partial<ToSign> {
  return { headers: { 'x-amz-invocation-type': type } };
}

function expectError(answer: WireAnswer, status: number, name: string): void {
  expect([answer.status, answer.headers['x-amzn-errortype']]).toEqual([status, name]);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['x-amzn-requestid']).toMatch(UUID);
  expect(answer.headers).not.toHaveProperty('x-amz-function-error');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('an invocation (publish-api §10)', () => {
  it.each([undefined, 'RequestResponse'])('of type %s publishes and answers like POST /publish', async (type) => {
    const channel = `result-${type}`;
    const answer = await invoke({ channel, event: 'e' }, type === undefined ? {} : as(type));
    expect([answer.status, answer.text]).toEqual([200, `{"channel":"${channel}","event":"e"}`]);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'x-amz-executed-version': '$LATEST',
      'x-amzn-requestid': expect.stringMatching(UUID),
    });
    expect(answer.headers).not.toHaveProperty('x-amz-function-error');
    expect(await all.queue.of(channel)).toEqual([
      expect.objectContaining({ trigger: 'server.lambda', requestId: answer.headers['x-amzn-requestid'] }),
    ]);
  });

  it('of type Event publishes and says nothing', async () => {
    const answer = await invoke({ channel: 'event', event: 'e', data: 1 }, as('Event'));
    expect([answer.status, answer.text, answer.headers['x-amz-executed-version']]).toEqual([202, '', '$LATEST']);
    expect(await all.queue.of('event')).toEqual([
      expect.objectContaining({ data: '1', requestId: answer.headers['x-amzn-requestid'] }),
    ]);
  });

  it('of type DryRun publishes nothing', async () => {
    for (const message of [{ channel: 'dry', event: 'e' }, {}, '']) {
      const answer = await invoke(message, as('DryRun'));
      expect([answer.status, answer.text, answer.headers['x-amz-executed-version']]).toEqual([204, '', '$LATEST']);
      expect(answer.headers['x-amzn-requestid']).toMatch(UUID);
    }
    expect(await all.queue.of('dry')).toEqual([]);
  });

  it.each(['Other', 'event', '', 'RequestResponse,Event'])('of type %j is none', async (type) => {
    const answer = await invoke({ channel: 'types', event: 'e' }, as(type));
    expectError(answer, 400, 'InvalidParameterValueException');
    expect(JSON.parse(answer.text)).toEqual({ Type: 'User', message: expect.stringContaining('Event') });
    expect(await all.queue.of('types')).toEqual([]);
  });

  it('queues exactly what POST /publish queues, but for how it came in', async () => {
    const document =
      ' {"channel":"same", "event":"e","store": 60, "emitPubSubEvent":true,"data": {"b" : 12345678901234567890, "a":"\\u00e9"} } ';
    await invoke(document);
    await post(all.url, document);
    const [byLambda, byHttp] = await all.queue.of('same');
    expect(byHttp).toMatchObject({ trigger: 'server.http', sourceIp: '127.0.0.1' });
    // Address and user agent are known, and are no part of what comes by this door (pubsub-events §3.5).
    const same = { requestId: expect.any(String), sourceIp: undefined, userAgent: undefined, trigger: 'server.lambda' };
    expect(byLambda).toEqual({ ...byHttp, ...same });
    expect(byLambda?.requestId).not.toBe(byHttp?.requestId);
  });

  it('gets an id when it asks for one', async () => {
    const { text } = await invoke({ channel: 'eager', event: 'e', eagerIdGeneration: true });
    const { id } = JSON.parse(text) as { id: string };
    expect((await all.queue.of('eager')).map(({ eagerId }) => eagerId)).toEqual([id]);
  });

  it.each([undefined, 'Event'])('of type %s is told of members that are not known (§3.2)', async (type) => {
    const message = { channel: 'c', event: 'e', deduplicationID: 'x' };
    const answer = await invoke(message, type === undefined ? {} : as(type));
    expect(answer.headers['hearth-warning']).toBe('unknown-field;name="deduplicationID";nearest="deduplicationId"');
  });

  it('with members that are not known is a function error where that is set (§3.2)', async () => {
    const strict = await startPublishApi(all.nats, {
      HEARTH_AWS_ACCESS_KEYS: ACCESS_KEYS,
      HEARTH_PUBLISH_FUNCTION_NAMES: FUNCTION_NAME,
      HEARTH_UNKNOWN_FIELDS: 'refuse',
    });
    try {
      const body = '{"channel":"refused","event":"e","deduplicationID":"x"}';
      const answer = await sendRequest(strict.port, signed({ host: `127.0.0.1:${strict.port}`, body }));
      expect([answer.status, answer.headers['x-amz-function-error']]).toEqual([200, 'Unhandled']);
      expect(JSON.parse(answer.text)).toEqual({
        errorType: 'UNKNOWN_FIELD',
        errorMessage: 'deduplicationID is not known; did you mean deduplicationId?',
      });
      expect(await all.queue.of('refused')).toEqual([]);
    } finally {
      await strict.stop();
    }
  });

  it('may ask for its log, bring a context, and be of any content type', async () => {
    const optional: Record<string, string>[] = [
      { 'x-amz-log-type': 'Tail', 'x-amz-client-context': 'e30=' },
      { 'content-type': 'application/x-amz-json-1.1' },
      { 'content-type': ';' },
      { 'x-amz-security-token': 'any session' },
    ];
    for (const headers of optional) {
      expect((await invoke({ channel: 'c', event: 'e' }, { headers })).status).toBe(200);
    }
  });

  it('may leave its body out of what it announces, and repeat itself', async () => {
    const request = signed({ host: host(), body: '{"channel":"silent","event":"e"}', silentBody: true });
    for (let n = 0; n < 2; n++) expect((await sendRequest(all.app.port, request)).status).toBe(200);
    expect(await all.queue.of('silent')).toHaveLength(2);
  });
});

describe('the function', () => {
  it.each([
    FUNCTION_NAME,
    'second',
    `${FUNCTION_NAME}:$LATEST`,
    `123456789012:function:${FUNCTION_NAME}`,
    `123456789012:function:${FUNCTION_NAME}:$LATEST`,
    FUNCTION_ARN,
    `${FUNCTION_ARN}:$LATEST`,
    `arn:aws-us-gov:lambda:us-gov-west-1:000000000000:function:second`,
    `arn:aws-cn:lambda:cn-north-1:000000000000:function:second`,
  ])('is known as %s', async (functionName) => {
    expect((await invoke({ channel: 'c', event: 'e' }, { functionName })).status).toBe(200);
    expect((await invoke({ channel: 'c', event: 'e' }, { functionName, query: 'Qualifier=%24LATEST' })).status).toBe(
      200,
    );
  });

  it.each([
    ['other', undefined, 'arn:aws:lambda:eu-west-3:111122223333:function:other'],
    ['hearth-publishfunction', undefined, 'arn:aws:lambda:eu-west-3:111122223333:function:hearth-publishfunction'],
    ['second:1', undefined, 'arn:aws:lambda:eu-west-3:111122223333:function:second:1'],
    ['second', 'live', 'arn:aws:lambda:eu-west-3:111122223333:function:second:live'],
    ['second:$LATEST', '1', 'arn:aws:lambda:eu-west-3:111122223333:function:second:$LATEST:1'],
    ['second', '', 'arn:aws:lambda:eu-west-3:111122223333:function:second:'],
    ['arn:aws:lambda:us-east-1:1:function:second', undefined, 'arn:aws:lambda:us-east-1:1:function:second'],
    ['arn:aws:lambda:us-east-1:000000000000:function:x', undefined, 'arn:aws:lambda:us-east-1:000000000000:function:x'],
    ['arn:aws:s3:us-east-1:000000000000:function:second', undefined, expect.stringContaining('arn:aws:s3')],
    ['function:second', undefined, expect.stringContaining('second')],
    ['second/x', undefined, expect.stringContaining('second/x')],
    ['%73econd', undefined, expect.stringContaining('%73econd')],
    [' second', undefined, expect.stringContaining('second')],
    ['é', undefined, expect.stringContaining('é')],
    ['x'.repeat(2_000), undefined, expect.stringContaining('xxx')],
  ])('is not %s with qualifier %j', async (functionName, qualifier, arn) => {
    const query = qualifier === undefined ? '' : `Qualifier=${qualifier}`;
    const answer = await invoke({ channel: 'unknown', event: 'e' }, { functionName, query });
    expectError(answer, 404, 'ResourceNotFoundException');
    const { Type, Message } = JSON.parse(answer.text) as Record<string, string>;
    expect([Type, Message?.replace('Function not found: ', '')]).toEqual(['User', arn]);
    expect(await all.queue.of('unknown')).toEqual([]);
  });

  it('is not found by a path that cannot be decoded, and that is said', async () => {
    for (const name of ['%zz', 'a%', '%C3%28', '%']) {
      const request = signed({ host: host(), body: '{"channel":"bad","event":"e"}' });
      const path = `/2015-03-31/functions/${name}/invocations`;
      const answer = await sendRequest(all.app.port, { ...request, path });
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        400,
        { error: { code: 'MALFORMED_MESSAGE', message: 'The path is not valid percent-encoding' } },
      ]);
    }
  });

  it.each([
    ['GET', '/2015-03-31/functions'],
    ['GET', '/2015-03-31/functions/'],
    ['GET', `/2015-03-31/functions/${FUNCTION_NAME}`],
    ['PUT', `/2015-03-31/functions/${FUNCTION_NAME}/code`],
    ['POST', `/2015-03-31/functions/${FUNCTION_NAME}/invocations/x`],
    ['POST', `/2014-11-13/functions/${FUNCTION_NAME}/invoke-async/`],
    ['POST', `/2021-11-15/functions/${FUNCTION_NAME}/response-streaming-invocations`],
    ['GET', '/2016-08-19/account-settings/'],
  ])('is all that there is: %s %s is refused in AWS’s form', async (method, path) => {
    const answer = await sendRequest(all.app.port, { ...signed({ host: host(), body: '' }), method, path });
    expectError(answer, 404, 'UnknownOperationException');
    expect(JSON.parse(answer.text)).toEqual({ Type: 'User', Message: expect.any(String) });
  });

  it('may have a byte order mark, and is not packed', async () => {
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{"channel":"c","event":"e"}')]);
    expect((await invoke(marked)).status).toBe(200);
    expectError(await invoke('{}', { headers: { 'content-encoding': 'gzip' } }), 415, 'UnsupportedMediaTypeException');
  });

  it('is invoked by POST only, with one slash or several', async () => {
    const request = signed({ host: host(), body: '{"channel":"c","event":"e"}' });
    for (const method of ['GET', 'OPTIONS']) {
      const got = await sendRequest(all.app.port, { ...request, method });
      expect([got.status, got.headers.allow]).toEqual([405, 'POST']);
    }
    // Signers take several slashes for one.
    expect((await sendRequest(all.app.port, { ...request, path: `/${request.path}` })).status).toBe(200);
  });
});

describe('a message that is not valid', () => {
  it.each([
    ['nothing', '', 'MISSING_FIELD'],
    ['an empty object', {}, 'MISSING_FIELD'],
    ['no object', '[1]', 'MALFORMED_MESSAGE'],
    ['a channel with a blank', { channel: 'a b', event: 'e' }, 'INVALID_CHANNEL'],
    ['a reserved event', { channel: 'c', event: 'hotsock.x' }, 'INVALID_EVENT'],
    ['too much data', { channel: 'c', event: 'e', data: 'x'.repeat(32_767) }, 'DATA_TOO_LARGE'],
    ['a store below -1', { channel: 'c', event: 'e', store: -2 }, 'INVALID_STORE'],
    [
      'a schedule of the past',
      { channel: 'c', event: 'e', scheduleExpression: 'at(1999-01-01T00:00:00)' },
      'INVALID_SCHEDULE',
    ],
  ])('is an error of the function: %s', async (_what, message, code) => {
    const answer = await invoke(message);
    expect([answer.status, answer.headers['x-amz-function-error']]).toEqual([200, 'Unhandled']);
    expect(answer.headers['x-amz-executed-version']).toBe('$LATEST');
    const error = JSON.parse(answer.text) as Record<string, string>;
    expect(error).toEqual({ errorType: code, errorMessage: expect.any(String) });
    // Word for word what HTTP answers.
    const text = typeof message === 'string' ? message || '{}' : JSON.stringify(message);
    expect((JSON.parse((await post(all.url, text)).text) as { error: object }).error).toEqual({
      code,
      message: error.errorMessage,
    });
  });

  it('is logged and dropped when nobody waits for the result', async () => {
    const answer = await invoke({ channel: 'dropped', event: 'hotsock.x', data: 'planted-payload' }, as('Event'));
    expect([answer.status, answer.text]).toEqual([202, '']);
    const requestId = String(answer.headers['x-amzn-requestid']);
    const line = await eventually(() => {
      const found = all.app.lines.find((it) => it.includes(requestId));
      if (found === undefined) throw new Error('not logged yet');
      return JSON.parse(found) as Record<string, string>;
    });
    expect(line).toMatchObject({ level: 'WARN', code: 'INVALID_EVENT' });
    expect(all.app.lines.join('\n')).not.toContain('planted-payload');
    expect(await all.queue.of('dropped')).toEqual([]);
  });

  it.each([
    ['text', 'not json'],
    ['half an object', '{"channel":"c"'],
    ['bytes that are no UTF-8', Buffer.from('{"channel":"c\xff"}', 'latin1')],
  ])('is no message at all: %s', async (_what, body) => {
    for (const type of ['RequestResponse', 'Event', 'DryRun']) {
      const answer = await invoke(body, as(type));
      expectError(answer, 400, 'InvalidRequestContentException');
      expect(JSON.parse(answer.text)).toEqual({ Type: 'User', message: expect.any(String) });
    }
  });

  it('may have 256 KiB and not one byte more', async () => {
    const body = '{"channel":"c","event":"e"}';
    expect((await invoke(body.padEnd(MAX_BODY))).status).toBe(200);
    const answer = await invoke(body.padEnd(MAX_BODY + 1));
    expectError(answer, 413, 'RequestTooLargeException');
    expect(JSON.parse(answer.text)).toEqual({ Type: 'User', message: expect.stringContaining('262144') });
  });
});

describe('access keys', () => {
  const message = { channel: 'keys', event: 'e' };

  it('are all valid at the same time', async () => {
    expect((await invoke(message, { key: OTHER_KEY })).status).toBe(200);
    expect((await invoke(message, { key: ACCESS_KEY })).status).toBe(200);
    expectError(
      await invoke(message, { key: { ...OTHER_KEY, secret: ACCESS_KEY.secret } }),
      403,
      'InvalidSignatureException',
    );
  });

  it('are checked before a byte of the body is read', async () => {
    const { path, headers } = signed({ host: host(), body: '', key: { id: 'AKIANOBODY', secret: 'x' } });
    const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}`] : []));
    const head = `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\nContent-Length: 200000\r\n\r\n`;
    const answer = await rawExchange(all.app.port, head, (text) => text.includes('}'));
    expect(answer).toMatch(/^HTTP\/1\.1 403 [^]*UnrecognizedClientException/);
  });

  it('are of no use where there is an API key, and the other way round', async () => {
    const url = `http://${host()}/2015-03-31/functions/second/invocations`;
    const answer = await post(url, message);
    expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([403, 'IncompleteSignatureException']);
    const { headers } = signed({ host: host(), body: JSON.stringify(message) });
    const { status } = await sendRequest(all.app.port, {
      method: 'POST',
      path: '/publish',
      headers,
      body: JSON.stringify(message),
    });
    expect(status).toBe(401);
  });

  it('are in no log', async () => {
    await invoke(message, { key: { ...ACCESS_KEY, secret: 'planted-wrong-secret' } });
    await invoke(message, { headers: { 'x-amz-security-token': 'planted-session' } });
    const log = all.app.lines.join('\n');
    for (const secret of [ACCESS_KEY.secret, OTHER_KEY.secret, 'planted', 'Signature='])
      expect(log).not.toContain(secret);
  });

  it('are added and revoked one by one while the service runs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-test-keys-'));
    const file = join(folder, 'keys');
    await writeFile(file, ACCESS_KEYS);
    const app = await startPublishApi(all.nats, { HEARTH_AWS_ACCESS_KEYS_FILE: file });
    const namesWith = async (...keys: (typeof OTHER_KEY)[]) => {
      const answers = keys.map((key) =>
        sendRequest(app.port, signed({ host: `127.0.0.1:${app.port}`, body: JSON.stringify(message), key })),
      );
      return (await Promise.all(answers)).map(({ status, headers }) => headers['x-amzn-errortype'] ?? status);
    };
    const afterWriting = async (text: string, expected: readonly unknown[], ...keys: (typeof OTHER_KEY)[]) => {
      await writeFile(file, text);
      process.kill(app.pid, 'SIGHUP');
      await eventually(async () => expect(await namesWith(...keys)).toEqual(expected));
    };
    const third = { id: 'AKIATHIRD', secret: 'third' };
    const changed = { ...ACCESS_KEY, secret: 'changed' };
    try {
      expect(await namesWith(ACCESS_KEY, OTHER_KEY, third)).toEqual([200, 200, 'UnrecognizedClientException']);
      await afterWriting(
        `${ACCESS_KEY.id}:${ACCESS_KEY.secret}\n`,
        [200, 'UnrecognizedClientException'],
        ...[ACCESS_KEY, OTHER_KEY],
      );
      // The same id with another secret: what was signed with the old one is worth nothing at once.
      await afterWriting(
        `${changed.id}:${changed.secret},${third.id}:${third.secret}`,
        ['InvalidSignatureException', 200, 200],
        ...[ACCESS_KEY, changed, third],
      );
      await afterWriting('off', [404], changed);
      expect((await fetch(`${app.httpUrl}${invocationPath(FUNCTION_NAME)}`)).status).toBe(404);
      await afterWriting('', ['UnrecognizedClientException'], changed);
      await afterWriting(ACCESS_KEYS, [200, 200], ACCESS_KEY, OTHER_KEY);
      expect((await fetch(`${app.httpUrl}${invocationPath(FUNCTION_NAME)}`)).status).toBe(405);
    } finally {
      await app.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('may be off: then the path is one that nobody knows', async () => {
    const app = await startPublishApi(all.nats, { HEARTH_AWS_ACCESS_KEYS: 'off' });
    try {
      const request = signed({ host: `127.0.0.1:${app.port}`, body: JSON.stringify(message) });
      const answer = await sendRequest(app.port, request);
      const unknown = await sendRequest(app.port, { ...request, path: '/nothing' });
      expect([answer.status, answer.text]).toEqual([404, unknown.text]);
      expect(answer.headers).not.toHaveProperty('x-amzn-requestid');
      for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD']) {
        const other = await sendRequest(app.port, { ...request, method });
        const same = await sendRequest(app.port, { ...request, method, path: '/nothing' });
        expect([method, other.status, other.text]).toEqual([method, 404, same.text]);
        expect(other.headers).not.toHaveProperty('allow');
      }
    } finally {
      await app.stop();
    }
  });

  it('are checked against the configured clock skew', async () => {
    const app = await startPublishApi(all.nats, {
      HEARTH_AWS_ACCESS_KEYS: ACCESS_KEYS,
      HEARTH_AWS_CLOCK_SKEW_SECONDS: '3600',
    });
    try {
      const statusAt = async (seconds: number) => {
        const at = new Date(Date.now() + seconds * 1000);
        const request = signed({ host: `127.0.0.1:${app.port}`, body: JSON.stringify(message), at });
        return (await sendRequest(app.port, request)).status;
      };
      expect(await Promise.all([-3500, 3500, -3700, 3700].map(statusAt))).toEqual([200, 200, 403, 403]);
    } finally {
      await app.stop();
    }
  });
});

describe('what a caller may try again', () => {
  it('is ServiceException without NATS, also for an Event, and nothing is lost silently', async () => {
    const own = await startAll({ HEARTH_AWS_ACCESS_KEYS: ACCESS_KEYS, HEARTH_HTTP_TIMEOUT_MS: '60000' });
    await own.queue.close();
    const send = (more: Partial<ToSign> = {}) =>
      sendRequest(
        own.app.port,
        signed({ host: `127.0.0.1:${own.app.port}`, body: '{"channel":"c","event":"e"}', ...more }),
      );
    try {
      expect((await send()).status).toBe(200);
      await own.nats.kill();
      await eventually(() => expect(own.app.lines.join('\n')).toContain('NATS disconnected'));
      for (const type of ['RequestResponse', 'Event']) {
        const answer = await send(as(type));
        expectError(answer, 500, 'ServiceException');
        expect(JSON.parse(answer.text)).toEqual({ Type: 'Service', Message: expect.stringContaining('NATS') });
      }
      expect((await send(as('DryRun'))).status).toBe(204);
      expect(own.app.lines.filter((line) => line.includes('"ERROR"'))).toEqual([]);
    } finally {
      await own.app.stop();
      await own.nats.stop();
    }
  });

  it('is TooManyRequestsException with a full queue', async () => {
    const own = await startAll({ HEARTH_AWS_ACCESS_KEYS: ACCESS_KEYS, HEARTH_INGEST_MAX_BYTES: String(2 * 1_048_576) });
    try {
      const body = JSON.stringify({ channel: 'full', event: 'e', data: 'x'.repeat(30_000) });
      const send = () => sendRequest(own.app.port, signed({ host: `127.0.0.1:${own.app.port}`, body }));
      let accepted = 0;
      let answer = await send();
      for (; answer.status === 200; answer = await send()) accepted++;
      expectError(answer, 429, 'TooManyRequestsException');
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
      expect(JSON.parse(answer.text)).toEqual({
        Type: 'User',
        Reason: 'CallerRateLimitExceeded',
        message: expect.any(String),
      });
      expect(accepted).toBeGreaterThan(20);
      expect(await own.queue.stored('full')).toBe(accepted);
    } finally {
      await own.stop();
    }
  });
});

describe('metrics', () => {
  it('count what was accepted and why the rest was not', async () => {
    const text = await (await fetch(`http://127.0.0.1:${all.app.adminPort}/metrics`)).text();
    expect(text).toMatch(/hearth_accepted_total\{route="lambda"\} \d+/);
    for (const code of ['INVALID_CHANNEL', 'ResourceNotFoundException', 'UnrecognizedClientException']) {
      expect(text).toMatch(new RegExp(`hearth_publish_refused_total\\{code="${code}"\\} \\d+`));
    }
  });
});
