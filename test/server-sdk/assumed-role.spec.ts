import { Publisher, VERSION, type ConfigOptions } from '@hearth/server-sdk';
import { answer, LocalServer, type Step } from './local-server';

const message = { channel: 'c', event: 'e' };
let lambda: LocalServer;
let sts: LocalServer;
beforeAll(async () => {
  [lambda, sts] = await Promise.all([LocalServer.start(), LocalServer.start()]);
  process.env.AWS_ENDPOINT_URL_STS = sts.url;
});
afterAll(async () => {
  delete process.env.AWS_ENDPOINT_URL_STS;
  await Promise.all([lambda?.stop(), sts?.stop()]);
});
beforeEach(() => lambda.does(answer(200, message)));

/** An answer of AWS STS with credentials that end after so many seconds. */
function credentials(name: string, seconds = 3600): Step {
  const expiration = new Date(Date.now() + seconds * 1000).toISOString();
  return answer(
    200,
    `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
      <AccessKeyId>ASIA${name}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
      <SessionToken>token-${name}</SessionToken><Expiration>${expiration}</Expiration>
    </Credentials></AssumeRoleResult></AssumeRoleResponse>`,
    { 'content-type': 'text/xml' },
  );
}

const denied = answer(
  403,
  '<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>',
  { 'content-type': 'text/xml' },
);

function publisher(more: ConfigOptions = {}): Publisher {
  return new Publisher({
    publishFunctionArn: 'Publish',
    awsRegion: 'eu-west-1',
    awsAccessKeyId: 'AKIDBASE',
    awsSecretAccessKey: 'secret',
    awsAssumeRoleArn: 'arn:aws:iam::111111111111:role/Publisher',
    lambdaEndpoint: lambda.url,
    ...more,
  });
}

const keysUsed = () =>
  lambda.requests.map(({ headers }) => [
    /Credential=(\w+)/.exec(headers.authorization ?? '')?.[1],
    headers['x-amz-security-token'],
  ]);

describe('an assumed role (server-sdk §2)', () => {
  it('is assumed with the configured credentials, which sign nothing else', async () => {
    sts.does(credentials('A'));
    const own = publisher({ awsAssumeRoleSessionName: 'my-application-name', awsAssumeRoleExternalId: '6f4c10321f' });
    await own.publishMessage(message);
    expect(sts.requests).toHaveLength(1);
    const { body, headers } = sts.requests[0]!;
    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
      Action: 'AssumeRole',
      RoleArn: 'arn:aws:iam::111111111111:role/Publisher',
      RoleSessionName: 'my-application-name',
      ExternalId: '6f4c10321f',
    });
    expect(headers.authorization).toMatch(/Credential=AKIDBASE\/\d+\/eu-west-1\/sts\//);
    expect(keysUsed()).toEqual([['ASIAA', 'token-A']]);
  });

  it('has a session named after the library unless another name is set, and no external ID', async () => {
    sts.does(credentials('A'));
    await publisher().publishMessage(message);
    const sent = new URLSearchParams(sts.requests[0]!.body);
    expect([sent.get('RoleSessionName'), sent.has('ExternalId')]).toEqual([`hearth-sdk-${VERSION}`, false]);
  });

  it('is assumed once for many messages', async () => {
    sts.does(credentials('A'));
    const own = publisher();
    await Promise.all(Array.from({ length: 200 }, () => own.publishMessage(message)));
    await own.publishMessage(message);
    expect([sts.requests.length, lambda.requests.length]).toEqual([1, 201]);
  });

  it('is assumed again less than five minutes before its credentials end, and kept when that fails', async () => {
    sts.does(credentials('A', 299), credentials('B', 299), denied);
    const own = publisher();
    for (let n = 0; n < 3; n++) await own.publishMessage(message);
    expect(keysUsed().map(([key]) => key)).toEqual(['ASIAA', 'ASIAB', 'ASIAB']);
  });

  it('that is denied is an error with the name that AWS gave it', async () => {
    sts.does(denied);
    await expect(publisher().publishMessage(message)).rejects.toMatchObject({
      name: 'PublishError',
      code: 'AccessDenied',
      statusCode: 403,
      message: 'AccessDenied: the role of awsAssumeRoleArn: not you',
    });
    expect(lambda.requests).toHaveLength(0);
    sts.does(credentials('C'));
  });
});
