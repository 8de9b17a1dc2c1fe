import { awsEnvironment, Installation, startInstallation } from './installation';
import { describeWith, RUBY, runProgram } from './programs';
import { FUNCTION_ARN, FUNCTION_NAME, invocationPath } from './signed-request';

/** Debian has no `aws-sdk-lambda`: what that gem would send is signed with its signer and sent with Ruby's own HTTP. */
const SCRIPT = `
require "aws-sigv4"
require "net/http"
require "json"
signer = Aws::Sigv4::Signer.new(
  service: "lambda", region: ENV["AWS_REGION"],
  access_key_id: ENV["AWS_ACCESS_KEY_ID"], secret_access_key: ENV["AWS_SECRET_ACCESS_KEY"]
)
uri = URI(ENV["AWS_ENDPOINT_URL"] + ENV["TARGET"])
body = ENV["MESSAGE"]
signature = signer.sign_request(http_method: "POST", url: uri.to_s, headers: JSON.parse(ENV["HEADERS"]), body: body)
request = Net::HTTP::Post.new(uri)
JSON.parse(ENV["HEADERS"]).each { |name, value| request[name] = value }
signature.headers.each { |name, value| request[name] = value }
request.body = body
answer = Net::HTTP.start(uri.host, uri.port) { |http| http.request(request) }
puts JSON.generate([answer.code.to_i, answer["x-amzn-errortype"], answer.body])
`;

describeWith(RUBY, "Ruby's signer", () => {
  let all: Installation;

  beforeAll(async () => {
    all = await startInstallation();
  });
  afterAll(() => all?.stop());

  async function invoke(message: string, target = invocationPath(FUNCTION_NAME), headers = {}, env = {}) {
    const { stdout, stderr } = await runProgram(RUBY, ['-e', SCRIPT], {
      ...awsEnvironment(all.endpoint),
      TARGET: target,
      MESSAGE: message,
      HEADERS: JSON.stringify(headers),
      ...env,
    });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as unknown;
  }

  it.each([
    ['name', invocationPath(FUNCTION_NAME)],
    ['ARN', invocationPath(FUNCTION_ARN)],
    ['ARN and qualifier', `${invocationPath(FUNCTION_ARN)}?Qualifier=%24LATEST`],
  ])('publishes by %s', async (what, target) => {
    const message = `{"channel":"ruby-${what.replaceAll(' ', '-')}","event":"e"}`;
    expect(await invoke(message, target)).toEqual([200, null, message]);
  });

  it('publishes what the gem sends: unknown options and null members', async () => {
    const message = '{"channel":"gem","event":"e","deduplication_id":null,"eager_id_generation":false,"data":{"a":1}}';
    expect(await invoke(message)).toEqual([200, null, '{"channel":"gem","event":"e"}']);
    expect((await all.queue.of('gem')).map(({ data }) => data)).toEqual(['{"a":1}']);
  });

  it('publishes whatever the invocation type, and is told what is wrong', async () => {
    const message = '{"channel":"c","event":"e"}';
    const as = (type: string) => invoke(message, undefined, { 'X-Amz-Invocation-Type': type });
    expect(await as('Event')).toEqual([202, null, '']);
    expect(await as('DryRun')).toEqual([204, null, null]);
    expect(await as('Other')).toEqual([400, 'InvalidParameterValueException', expect.any(String)]);
    const wrong = { AWS_SECRET_ACCESS_KEY: 'wrong' };
    expect(await invoke(message, undefined, {}, wrong)).toEqual([403, 'InvalidSignatureException', expect.any(String)]);
  });
});
