import { awsEnvironment, Installation, startInstallation } from './installation';
import { describeWith, PYTHON, runProgram } from './programs';
import { FUNCTION_ARN, FUNCTION_NAME } from './signed-request';

/** One call of `invoke` with the arguments of `CALL`; prints what came back, or the exception's class and its content. */
const SCRIPT = `
import boto3, botocore.config, json, os
call = json.loads(os.environ["CALL"])
# The environment has limits of its own: a large payload is made here.
if "BYTES" in os.environ:
    call["Payload"] = json.dumps("x" * int(os.environ["BYTES"]))
config = botocore.config.Config(retries={"total_max_attempts": 1})
client = boto3.client("lambda", endpoint_url=os.environ["ENDPOINT"], config=config)
try:
    answer = client.invoke(**call)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    print(json.dumps({
        "status": answer["StatusCode"],
        "error": answer.get("FunctionError"),
        "version": answer.get("ExecutedVersion"),
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "payload": answer["Payload"].read().decode(),
    }))
except client.exceptions.ClientError as error:
    print(json.dumps({"exception": type(error).__name__, "content": error.response}, default=str))
`;

describeWith(PYTHON, 'boto3', () => {
  let all: Installation;

  beforeAll(async () => {
    all = await startInstallation();
  });
  afterAll(() => all?.stop());

  async function invoke(call: object, env: Readonly<Record<string, string>> = {}) {
    const { stdout, stderr } = await runProgram(PYTHON, ['-c', SCRIPT], {
      ...awsEnvironment(all.endpoint),
      ENDPOINT: all.endpoint,
      CALL: JSON.stringify({ FunctionName: FUNCTION_NAME, Payload: '{"channel":"c","event":"e"}', ...call }),
      ...env,
    });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  it.each([
    ['name', FUNCTION_NAME],
    ['ARN', FUNCTION_ARN],
    ['ARN with a version', `${FUNCTION_ARN}:$LATEST`],
    ['part of an ARN', `123456789012:function:${FUNCTION_NAME}`],
  ])('publishes by %s', async (what, FunctionName) => {
    const channel = `boto3-${what.replaceAll(' ', '-')}`;
    const Payload = JSON.stringify({ channel, event: 'e', data: 'héllo' });
    const answer = await invoke({ FunctionName, Payload });
    expect(answer).toMatchObject({ status: 200, error: null, version: '$LATEST' });
    expect(JSON.parse(String(answer.payload))).toEqual({ channel, event: 'e' });
    expect(await all.queue.of(channel)).toEqual([
      expect.objectContaining({ trigger: 'server.lambda', data: '"héllo"', requestId: answer.requestId }),
    ]);
  });

  it('publishes whatever the invocation type', async () => {
    const Payload = '{"channel":"boto3-types","event":"e"}';
    const statuses = [];
    for (const InvocationType of ['RequestResponse', 'Event', 'DryRun']) {
      statuses.push((await invoke({ InvocationType, Payload, LogType: 'Tail', Qualifier: '$LATEST' })).status);
    }
    expect(statuses).toEqual([200, 202, 204]);
    expect(await all.queue.of('boto3-types')).toHaveLength(2);
  });

  it('gets what is wrong with a message as an error of the function', async () => {
    const answer = await invoke({ Payload: '{"channel":"a b","event":"e"}' });
    expect(answer).toMatchObject({ status: 200, error: 'Unhandled' });
    expect(JSON.parse(String(answer.payload))).toMatchObject({ errorType: 'INVALID_CHANNEL' });
  });

  it.each([
    ['ResourceNotFoundException', { FunctionName: 'other' }, {}],
    ['InvalidRequestContentException', { Payload: '{' }, {}],
    ['InvalidParameterValueException', { InvocationType: 'Other' }, {}],
    ['RequestTooLargeException', {}, { BYTES: '300000' }],
    ['UnrecognizedClientException', {}, { AWS_ACCESS_KEY_ID: 'AKIANOBODY' }],
    ['InvalidSignatureException', {}, { AWS_SECRET_ACCESS_KEY: 'wrong' }],
  ])('raises %s', async (name, call, env) => {
    const answer = await invoke(call, env);
    // Exceptions that its model of Lambda does not name are ClientError, with the name in the code.
    const known = !['UnrecognizedClientException', 'InvalidSignatureException'].includes(name);
    expect(answer).toMatchObject({
      exception: known ? name : 'ClientError',
      content: { Error: { Code: name, Message: expect.stringMatching(/\w/) } },
    });
  });
});
