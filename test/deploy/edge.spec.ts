import { eventually } from '../support/eventually';
import { WsClient } from '../support/ws-client';
import { parseEnvFile, readComposeFile } from './compose-file';
import { describeWithNginx, startEdge, type Edge } from './edge';
import { ask, startStub, type StubService } from './stub-service';

const secret = 'x'.repeat(12);
/** Any values will do: nothing here looks at secrets. */
const variables = parseEnvFile(
  ['HEARTH_HTTP_API_KEY_1', 'HEARTH_SIGNING_KEY_1_ENCODED', 'POSTGRES_PASSWORD', 'NATS_TOKEN']
    .concat('DATABASE_OWNER_PASSWORD', 'DATABASE_SERVICE_PASSWORD')
    .map((name) => `${name}=${secret}`)
    .join('\n'),
);
const errorOf = (body: string) => JSON.parse(body).error as { code: string; message: string };

describeWithNginx('the edge', () => {
  let edge: Edge;
  let publishApi: StubService;
  let gateways: readonly [StubService, StubService];
  let history: StubService;

  beforeAll(async () => {
    publishApi = await startStub('publish-api');
    gateways = [await startStub('gateway'), await startStub('gateway')];
    history = await startStub('history');
    edge = await startEdge(readComposeFile(variables).services.edge!, {
      publishApi: [publishApi.address],
      gateway: gateways.map(({ address }) => address),
      history: [history.address],
    });
  });

  afterAll(async () => {
    await edge?.stop();
    await Promise.all([publishApi, ...(gateways ?? []), history].map((service) => service?.stop()));
  });

  it.each([
    ['/publish', 'publish-api'],
    ['/publish/batch', 'publish-api'],
    ['/channels/c1', 'publish-api'],
    ['/channels?prefix=c', 'publish-api'],
    ['/connections?uid=u1', 'publish-api'],
    ['/disconnect', 'publish-api'],
    ['/revocations', 'publish-api'],
    ['/dead-letters/01J9/retry', 'publish-api'],
    ['/unsubscribe', 'publish-api'],
    ['/connections/AAAAAAAAAAAAAAA=', 'publish-api'],
    ['/channels/a%2Fb%20c', 'publish-api'],
    ['/channels/c1/storage?keys=a,b', 'publish-api'],
    ['/schedules/arn%3Aaws%3Ascheduler%3Aus-east-1%3A000000000000%3Aschedule%2FHearth%2F01J9', 'publish-api'],
    ['/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A0%3Afunction%3AN/invocations', 'publish-api'],
    ['//publish', 'publish-api'],
    ['/connection/listMessages?connectionId=abc=&connectionSecret=s', 'history'],
    ['/', 'gateway'],
    ['/?token=a.b.c', 'gateway'],
    ['/v1', 'gateway'],
    ['/v1/?token=a.b.c', 'gateway'],
    ['/console?wssUrl=wss%3A%2F%2Fexample.com%2Fv1', 'gateway'],
    ['/console/main.js', 'gateway'],
    ['/openapi.json', 'gateway'],
    ['/asyncapi.json', 'gateway'],
    ['/socket.io/?EIO=4&transport=polling', 'gateway'],
  ])('passes %s on to %s, byte for byte', async (path, service) => {
    const answer = await ask(edge.port, path, { method: 'POST', body: '{}' });
    expect(answer).toMatchObject({ status: 200, body: service });
    const all = [publishApi, ...gateways, history].flatMap(({ requests }) => requests.map(({ url }) => url));
    expect(all).toContain(path);
  });

  it.each([
    '/nothing',
    '/v2',
    '/v1/x',
    '/metrics',
    '/healthz',
    '/readyz',
    '/info',
    '/publishing',
    '/consoles',
    '/edge-error/404',
  ])('knows nothing at %s', async (path) => {
    const { status, headers, body } = await ask(edge.port, path);
    expect(status).toBe(404);
    expect(headers['content-type']).toBe('application/json');
    expect(errorOf(body)).toEqual({ code: 'NOT_FOUND', message: expect.any(String) });
  });

  it('says who the client is and keeps the host it asked for, port included', async () => {
    const headers = {
      host: 'realtime.example.com:8443',
      'x-forwarded-for': '198.51.100.1, 203.0.113.5',
      'x-forwarded-proto': 'https',
    };
    await ask(edge.port, '/publish?host', { method: 'POST', headers });
    expect(publishApi.requests.find(({ url }) => url === '/publish?host')?.headers).toMatchObject({
      host: 'realtime.example.com:8443',
      'x-forwarded-for': '198.51.100.1, 203.0.113.5, 127.0.0.1',
      'x-forwarded-proto': 'https',
    });
  });

  it('passes a signed request on as it was signed', async () => {
    const path =
      '/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A0%3Afunction%3AN%3A%24LATEST/invocations?Qualifier=%24LATEST';
    const headers = {
      host: `realtime.example.com:8443`,
      authorization: 'AWS4-HMAC-SHA256 Credential=A/20250101/r/lambda/aws4_request, SignedHeaders=host, Signature=0',
      'x-amz-date': '20250101T000000Z',
      'x-amz-content-sha256': 'abc',
      'x-amz-invocation-type': 'Event',
      'x-amz-security-token': 'a/b+c==',
      'content-type': 'application/octet-stream',
      'amz-sdk-request': 'attempt=1; max=3',
    };
    await ask(edge.port, path, { method: 'POST', headers, body: '{}' });
    expect(publishApi.requests.find(({ url }) => url === path)?.headers).toMatchObject(headers);
  });

  it('refuses in words that AWS SDKs know where they publish', async () => {
    const { status, headers, body } = await ask(edge.port, '/2015-03-31/functions/N/invocations', {
      method: 'POST',
      headers: { 'content-length': String(5 * 1024 * 1024) },
    });
    expect([status, headers['x-amzn-errortype']]).toEqual([413, 'RequestTooLargeException']);
    expect(JSON.parse(body)).toEqual({ Type: 'User', message: expect.any(String) });
  });

  it('leaves the headers of an answer alone', async () => {
    const { headers } = await ask(edge.port, '/connection/listMessages', { method: 'POST' });
    expect(headers['access-control-allow-origin']).toBe('https://example.com');
  });

  it('passes WebSockets on, spread over the gateways, with tokens of 40 KiB', async () => {
    const token = 't'.repeat(40 * 1024);
    const url = `ws://127.0.0.1:${edge.port}/v1`;
    const clients = await Promise.all(Array.from({ length: 8 }, () => WsClient.open(url, token)));
    for (const client of clients) expect(await client.connected()).toEqual({ event: 'gateway' });
    for (const gateway of gateways) {
      const upgrades = gateway.requests.filter(({ method }) => method === 'UPGRADE');
      expect(upgrades.length).toBeGreaterThan(0);
      for (const { url } of upgrades) expect(url).toBe(`/v1?token=${token}`);
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  it('sends every request of a Socket.IO client to the same gateway, and clients to different ones', async () => {
    const clients = Array.from({ length: 40 }, (_, n) => ({
      query: `&token=token-of-${n}`,
      from: '',
    })).concat(Array.from({ length: 40 }, (_, n) => ({ query: '', from: `198.51.100.${n}` })));
    for (const { query, from } of clients) {
      const headers: Record<string, string> = from === '' ? {} : { 'x-forwarded-for': from };
      const path = `/socket.io/?EIO=4&transport=polling${query}`;
      await ask(edge.port, `${path}&from=${from}`, { headers });
      await ask(edge.port, `${path}&sid=abc&from=${from}`, { headers, method: 'POST', body: '40' });
      await ask(edge.port, `${path}&sid=abc&from=${from}`, { headers });
    }
    const counts = clients.map(({ query, from }) =>
      gateways.map(
        ({ requests }) =>
          requests.filter(({ url }) => url.includes(`polling${query}&`) && url.endsWith(`&from=${from}`)).length,
      ),
    );
    for (const count of counts) expect([...count].sort()).toEqual([0, 3]);
    for (const gateway of [0, 1]) expect(counts.some((count) => count[gateway] === 3)).toBe(true);
  });

  it('lets a full batch through and refuses more', async () => {
    const full = await ask(edge.port, '/publish/batch', { method: 'POST', body: Buffer.alloc(4 * 1024 * 1024) });
    expect(full.status).toBe(200);
    expect(publishApi.requests.at(-1)?.bodyBytes).toBe(4 * 1024 * 1024);
    const more = await ask(edge.port, '/publish/batch', {
      method: 'POST',
      headers: { 'content-length': String(5 * 1024 * 1024) },
    });
    expect(more.status).toBe(413);
    expect(errorOf(more.body).code).toBe('PAYLOAD_TOO_LARGE');
  });

  it('refuses a request line of more than 64 KiB with an error that can be read', async () => {
    const { status, body } = await ask(edge.port, `/v1?token=${'t'.repeat(70 * 1024)}`);
    expect(status).toBe(431);
    expect(errorOf(body).code).toBe('PAYLOAD_TOO_LARGE');
  });

  it('writes neither tokens nor connection secrets, and no other part of a query', async () => {
    await ask(edge.port, '/connection/x?connectionId=ID-a&connectionSecret=SECRET-a', { method: 'POST' });
    await ask(edge.port, '/nowhere?token=SECRET-b');
    await ask(edge.port, `/v1?token=SECRET-c${'t'.repeat(70 * 1024)}`);
    await eventually(() => expect(edge.accessLog().map(({ path }) => path)).toContain('/nowhere'));
    expect(edge.output()).not.toMatch(/SECRET|ID-a|token-of|token=/);
  });
});

describeWithNginx('the edge in front of two publish-apis', () => {
  let edge: Edge;
  let services: readonly [StubService, StubService];
  const posts = () => services.flatMap(({ requests }) => requests);

  beforeEach(async () => {
    services = [await startStub('publish-api'), await startStub('publish-api')];
    edge = await startEdge(readComposeFile(variables).services.edge!, {
      publishApi: services.map(({ address }) => address),
      gateway: services.map(({ address }) => address),
      history: services.map(({ address }) => address),
    });
  });

  afterEach(async () => {
    await edge?.stop();
    await Promise.all((services ?? []).map((service) => service.stop()));
  });

  it('never sends a publish again that one of them may have accepted', async () => {
    for (const service of services) service.hangUp();
    const { status, body } = await ask(edge.port, '/publish?token=SECRET', { method: 'POST', body: '{}' });
    expect(status).toBe(502);
    expect(errorOf(body).code).toBe('SERVICE_UNAVAILABLE');
    expect(posts()).toHaveLength(1);
    expect(edge.output()).not.toContain('SECRET');
  });

  it.each(['/publish', '/connection/listMessages', '/console'])(
    'takes no service out for requests that got no answer: %s',
    async (path) => {
      for (const service of services) service.hangUp();
      for (let n = 0; n < 6; n++) await ask(edge.port, path, { method: 'POST', body: '{}' });
      expect(posts()).toHaveLength(6);
    },
  );

  it('never cancels a schedule twice', async () => {
    for (const service of services) service.hangUp();
    expect((await ask(edge.port, '/schedules/01J9', { method: 'DELETE' })).status).toBe(502);
    expect(posts()).toHaveLength(1);
  });

  it('takes the other one when one cannot be reached', async () => {
    await services[0].stop();
    for (let n = 0; n < 6; n++) {
      expect((await ask(edge.port, '/publish', { method: 'POST', body: '{}' })).status).toBe(200);
    }
    expect(services[1].requests).toHaveLength(6);
  });

  it('never sends the publish of an AWS SDK again, which may do so itself', async () => {
    for (const service of services) service.hangUp();
    const path = '/2015-03-31/functions/N/invocations';
    const { status, headers, body } = await ask(edge.port, path, { method: 'POST', body: '{}' });
    expect([status, headers['x-amzn-errortype']]).toEqual([502, 'ServiceException']);
    expect(JSON.parse(body)).toEqual({ Type: 'Service', Message: expect.any(String) });
    expect(posts()).toHaveLength(1);
  });

  it('says so, without the query in any log, when none can be reached', async () => {
    await Promise.all(services.map((service) => service.stop()));
    for (const path of ['/publish?token=SECRET', '/v1?token=SECRET', '/connection/x?connectionSecret=SECRET']) {
      const { status, headers, body } = await ask(edge.port, path, { method: 'POST', body: '{}' });
      expect(status).toBe(502);
      expect(headers['access-control-allow-origin']).toBe('*');
      expect(errorOf(body).code).toBe('SERVICE_UNAVAILABLE');
    }
    await eventually(() => expect(edge.accessLog()).toHaveLength(3));
    expect(edge.output()).not.toContain('SECRET');
  });
});
