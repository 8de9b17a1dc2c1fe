import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awsEnvironment, Installation, startInstallation } from './installation';
import { AWS_CLI, describeWith, runProgram } from './programs';
import { FUNCTION_ARN, FUNCTION_NAME } from './signed-request';

describeWith(AWS_CLI, 'the AWS command line', () => {
  let all: Installation;

  beforeAll(async () => {
    all = await startInstallation();
  });
  afterAll(() => all?.stop());

  /** `aws lambda invoke`, and what it wrote into its result file. */
  async function invoke(message: string, functionName = FUNCTION_NAME, ...more: string[]) {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-test-aws-cli-'));
    const file = join(folder, 'result.json');
    const call = ['lambda', 'invoke', '--function-name', functionName, '--payload', message, ...more, file];
    const options = ['--endpoint-url', all.endpoint, '--cli-binary-format', 'raw-in-base64-out'];
    try {
      const output = await runProgram(AWS_CLI, [...call, ...options], awsEnvironment(all.endpoint));
      return { ...output, result: await readFile(file, 'utf8').catch(() => undefined) };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it.each([FUNCTION_NAME, FUNCTION_ARN])('publishes to %s', async (functionName) => {
    const channel = `cli-${functionName.length}`;
    const message = `{"channel":"${channel}","event":"e"}`;
    const { stdout, result, stderr } = await invoke(message, functionName);
    expect([result, stderr]).toEqual([message, '']);
    expect(stdout).toMatch(/"StatusCode": 200[^]*"ExecutedVersion": "\$LATEST"/);
    expect(await all.queue.of(channel)).toEqual([expect.objectContaining({ trigger: 'server.lambda' })]);
  });

  it('publishes without waiting for the result', async () => {
    const { stdout } = await invoke('{"channel":"cli-event","event":"e"}', FUNCTION_ARN, '--invocation-type', 'Event');
    expect(stdout).toContain('"StatusCode": 202');
    expect(await all.queue.of('cli-event')).toHaveLength(1);
  });

  it('says what is wrong', async () => {
    const invalid = await invoke('{"channel":"a b","event":"e"}');
    expect([invalid.result, invalid.stdout]).toEqual([
      expect.stringContaining('"errorType":"INVALID_CHANNEL"'),
      expect.stringContaining('"FunctionError": "Unhandled"'),
    ]);
    const unknown = await invoke('{}', 'other');
    expect(unknown.code).not.toBe(0);
    expect(unknown.stderr).toContain(
      'An error occurred (ResourceNotFoundException) when calling the Invoke operation: Function not found: arn:aws:lambda:us-east-1:000000000000:function:other',
    );
  });
});
