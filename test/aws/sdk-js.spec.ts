import {
  InvalidParameterValueException,
  InvalidRequestContentException,
  InvocationType,
  InvokeCommand,
  InvokeCommandInput,
  LambdaClient,
  LambdaClientConfig,
  LambdaServiceException,
  RequestTooLargeException,
  ResourceNotFoundException,
  ServiceException,
  TooManyRequestsException,
} from '@aws-sdk/client-lambda';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually';
import { awsEnvironment, Installation, startInstallation } from './installation';
import { ACCESS_KEY, FUNCTION_ARN, FUNCTION_NAME } from './signed-request';

let all: Installation;

beforeAll(async () => {
  all = await startInstallation();
});
afterAll(() => all?.stop());

const credentials = { accessKeyId: ACCESS_KEY.id, secretAccessKey: ACCESS_KEY.secret };

/** The unmodified SDK, told nothing but where to go and who it is. */
function client(more: LambdaClientConfig = {}): LambdaClient {
  return new LambdaClient({ endpoint: all.endpoint, region: 'us-east-1', credentials, maxAttempts: 1, ...more });
}

function invoke(input: Partial<InvokeCommandInput>, more?: LambdaClientConfig) {
  const Payload = JSON.stringify({ channel: 'c', event: 'e' });
  return client(more).send(new InvokeCommand({ FunctionName: FUNCTION_NAME, Payload, ...input }));
}

async function errorOf(promise: Promise<unknown>): Promise<LambdaServiceException> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(LambdaServiceException);
  return outcome as LambdaServiceException;
}

describe('the AWS SDK for JavaScript', () => {
  it.each([FUNCTION_NAME, FUNCTION_ARN, `${FUNCTION_ARN}:$LATEST`, `123456789012:function:${FUNCTION_NAME}`])(
    'publishes to %s',
    async (FunctionName) => {
      const channel = `js-${FunctionName.length}`;
      const Payload = JSON.stringify({ channel, event: 'e', data: { text: 'héllo 👋' } });
      for (const Qualifier of [undefined, '$LATEST']) {
        const answer = await invoke({ FunctionName, Payload, Qualifier });
        expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
        expect(answer.FunctionError).toBeUndefined();
        expect(JSON.parse(answer.Payload!.transformToString())).toEqual({ channel, event: 'e' });
        const queued = (await all.queue.of(channel)).at(-1);
        expect(queued).toMatchObject({
          trigger: 'server.lambda',
          requestId: answer.$metadata.requestId,
          data: '{"text":"héllo 👋"}',
        });
      }
    },
  );

  it('publishes whatever the invocation type', async () => {
    const send = (InvocationType: InvocationType) =>
      invoke({
        InvocationType,
        LogType: 'Tail',
        Payload: JSON.stringify({ channel: 'js-types', event: InvocationType }),
      });
    expect(await send('RequestResponse')).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    const event = await send('Event');
    expect([event.StatusCode, event.Payload?.length ?? 0]).toEqual([202, 0]);
    expect((await send('DryRun')).StatusCode).toBe(204);
    expect((await all.queue.of('js-types')).map(({ event: name }) => name)).toEqual(['RequestResponse', 'Event']);
  });

  it('gets what is wrong with a message as an error of the function', async () => {
    const answer = await invoke({ Payload: JSON.stringify({ channel: 'a b', event: 'e' }) });
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(JSON.parse(answer.Payload!.transformToString())).toEqual({
      errorType: 'INVALID_CHANNEL',
      errorMessage: expect.any(String),
    });
    expect((await invoke({ Payload: undefined })).FunctionError).toBe('Unhandled');
  });

  it('throws its own exceptions', async () => {
    const notFound = await errorOf(invoke({ FunctionName: 'other' }));
    expect(notFound).toBeInstanceOf(ResourceNotFoundException);
    expect(notFound).toMatchObject({
      Type: 'User',
      message: 'Function not found: arn:aws:lambda:us-east-1:000000000000:function:other',
    });
    expect(await errorOf(invoke({ Qualifier: '1' }))).toBeInstanceOf(ResourceNotFoundException);
    const content = await errorOf(invoke({ Payload: '{' }));
    expect(content).toBeInstanceOf(InvalidRequestContentException);
    expect(content).toMatchObject({ Type: 'User', message: expect.stringContaining('JSON') });
    const parameter = await errorOf(invoke({ InvocationType: 'Other' as InvocationType }));
    expect(parameter).toBeInstanceOf(InvalidParameterValueException);
    const large = await errorOf(invoke({ Payload: JSON.stringify('x'.repeat(300_000)) }));
    expect(large).toBeInstanceOf(RequestTooLargeException);
    expect(large.$metadata).toMatchObject({ httpStatusCode: 413, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  it.each([
    ['UnrecognizedClientException', { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' }],
    ['InvalidSignatureException', { ...credentials, secretAccessKey: 'wrong' }],
  ])('is told %s', async (name, wrong) => {
    const error = await errorOf(invoke({}, { credentials: wrong }));
    expect(error).toMatchObject({ name, $metadata: { httpStatusCode: 403 }, message: expect.stringMatching(/\w/) });
  });

  it('is let in with the credentials of a session', async () => {
    expect(
      (await invoke({}, { credentials: { ...credentials, sessionToken: 'any/session+token==' } })).StatusCode,
    ).toBe(200);
  });

  it.each([
    ['a day behind', -86_400_000],
    ['a day ahead', 86_400_000],
  ])('finds the right time by itself when its clock is %s', async (_what, wrongByMs) => {
    const now = Date.now.bind(Date);
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() + wrongByMs);
    try {
      const answer = await invoke({}, { maxAttempts: 2 });
      expect([answer.StatusCode, answer.$metadata.attempts]).toEqual([200, 2]);
    } finally {
      clock.mockRestore();
    }
  });

  it.each(['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_LAMBDA'])('needs nothing but %s', async (name) => {
    const program = `
      const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda');
      new LambdaClient().send(new InvokeCommand({
        FunctionName: ${JSON.stringify(FUNCTION_ARN)},
        Payload: JSON.stringify({ channel: ${JSON.stringify(name)}, event: 'e' }),
      })).then(({ StatusCode, Payload }) => console.log(StatusCode, Payload.transformToString()));`;
    const { AWS_ENDPOINT_URL: _, AWS_ENDPOINT_URL_LAMBDA: __, ...env } = awsEnvironment(all.endpoint);
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
      env: { PATH: process.env.PATH, ...env, [name]: `${all.endpoint}/` },
    });
    expect(stdout).toBe(`200 {"channel":"${name}","event":"e"}\n`);
    expect(await all.queue.of(name)).toHaveLength(1);
  });
});

describe('the AWS SDK for JavaScript, when nothing can be published', () => {
  it('throws ServiceException without NATS and gets through when it is back', async () => {
    const own = await startInstallation();
    const command = () => new InvokeCommand({ FunctionName: FUNCTION_NAME, Payload: '{"channel":"back","event":"e"}' });
    await own.queue.close();
    try {
      await own.nats.kill();
      await eventually(() => expect(own.app.lines.join('\n')).toContain('NATS disconnected'));
      const error = await errorOf(client({ endpoint: own.endpoint }).send(command()));
      expect(error).toBeInstanceOf(ServiceException);
      expect(error).toMatchObject({ Type: 'Service', $fault: 'server' });
      // With its usual patience it does not even notice.
      const patient = client({ endpoint: own.endpoint, maxAttempts: 20 }).send(command());
      await own.nats.restart();
      expect((await patient).StatusCode).toBe(200);
    } finally {
      await own.app.stop();
      await own.nats.stop();
    }
  });

  it('throws TooManyRequestsException when the queue is full', async () => {
    const own = await startInstallation({ HEARTH_INGEST_MAX_BYTES: String(2 * 1_048_576) });
    try {
      const Payload = JSON.stringify({ channel: 'full', event: 'e', data: 'x'.repeat(30_000) });
      const command = new InvokeCommand({ FunctionName: FUNCTION_NAME, Payload });
      const fill = async () => {
        for (let n = 0; n < 200; n++) await client({ endpoint: own.endpoint }).send(command);
      };
      const error = await errorOf(fill());
      expect(error).toBeInstanceOf(TooManyRequestsException);
      expect(error).toMatchObject({ Type: 'User', Reason: 'CallerRateLimitExceeded', retryAfterSeconds: '1' });
    } finally {
      await own.stop();
    }
  });
});
