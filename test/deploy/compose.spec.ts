import { InvokeCommand, LambdaClient, ResourceNotFoundException } from '@aws-sdk/client-lambda';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectToNats } from 'nats';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { missingServers } from '@hearth/embedded';
import { VARIABLES, type Variable } from '@hearth/config';
import { eventually } from '../support/eventually';
import { signToken } from '../support/tokens';
import { connect } from '../support/ws-client';
import { parseEnvFile, projectFolder, readComposeFile, type ComposeService } from './compose-file';
import { describeWithNginx } from './edge';
import { generateSettings, startClusterStack, startLocalStack, type LocalStack } from './local-stack';

const ours = ['publish-api', 'sequencer', 'gateway', 'history', 'webhooks'];

describe('docker-compose.yml', () => {
  let settings: Record<string, string>;
  let services: Readonly<Record<string, ComposeService>>;

  beforeAll(async () => {
    settings = await generateSettings();
    ({ services } = readComposeFile(settings));
  });

  it('has every component', () => {
    expect(Object.keys(services).sort()).toEqual([...ours, 'edge', 'migrate', 'nats', 'postgres'].sort());
  });

  it('names every image with a version', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[a-z-]+:(?!latest)[\w.-]+$/);
  });

  it('names only files that exist', () => {
    const contexts = Object.values(services).flatMap(({ build }) => (build === undefined ? [] : [build]));
    expect(contexts).toHaveLength(2);
    for (const context of contexts) expect(existsSync(join(projectFolder, context, 'Dockerfile'))).toBe(true);
    const mounts = Object.values(services).flatMap(({ volumes = [] }) => volumes.map((it) => it.split(':')[0] ?? ''));
    for (const path of mounts.filter((it) => it.startsWith('.')))
      expect(existsSync(join(projectFolder, path))).toBe(true);
    const copied = [
      ...readFileSync(join(projectFolder, 'deploy/postgres/Dockerfile'), 'utf8').matchAll(/\S+\.(sql|conf)(?= )/g),
    ];
    for (const [name] of copied) expect(existsSync(join(projectFolder, 'deploy/postgres', name))).toBe(true);
  });

  it('publishes the port of the edge and no other', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined);
    expect(published.map(([name, { ports }]) => [name, ports])).toEqual([['edge', ['8080:8080']]]);
  });

  it('sets no variable that Hearth does not know, and none that the service does not read', () => {
    const known: readonly Variable[] = Object.values(VARIABLES);
    for (const name of ours) {
      const set = Object.keys(services[name]?.environment ?? {}).filter((variable) => variable.startsWith('HEARTH_'));
      const read = known.filter((variable) => (variable.services as readonly string[]).includes(name));
      expect(read.map((variable) => variable.name)).toEqual(expect.arrayContaining(set));
    }
  });

  it('passes every variable on to each service that reads it', () => {
    // Places and ports between the containers are the file's own; files would have to be mounted, and a name that is set
    // would be that of all containers of a service.
    const own =
      /^HEARTH_(HOST|PORT|ADMIN_HOST|ADMIN_PORT|NATS_URL|NATS_TOKEN|NATS_CREDS_FILE|DATABASE_URL|TLS_\w+|NODE_ID)$/;
    const known: readonly Variable[] = Object.values(VARIABLES);
    for (const { name, services: readers } of known.filter((variable) => !own.test(variable.name))) {
      const given = readComposeFile({ ...settings, [name]: 'as-it-was-set' }).services;
      const deaf = ours.filter(
        (service) =>
          (readers as readonly string[]).includes(service) &&
          given[service]?.environment?.[name]?.includes('as-it-was-set') !== true,
      );
      expect([name, deaf]).toEqual([name, []]);
    }
  });

  it('hands passwords on as they are, whatever is in them', () => {
    const password = 'a$b#c@d/e%f:g?h';
    const given = readComposeFile({
      ...settings,
      DATABASE_SERVICE_PASSWORD: password,
      DATABASE_OWNER_PASSWORD: password,
    }).services;
    for (const name of [...ours, 'migrate']) {
      const { HEARTH_DATABASE_URL = '', PGPASSWORD } = given[name]?.environment ?? {};
      expect([name, PGPASSWORD, new URL(HEARTH_DATABASE_URL).password]).toEqual([name, password, '']);
    }
    expect(given.postgres?.environment?.DATABASE_SERVICE_PASSWORD).toBe(password);
  });

  it('bounds what each container may take', () => {
    for (const [name, service] of Object.entries(services)) {
      expect([name, service.mem_limit, service.pids_limit]).toEqual([name, expect.stringMatching(/^\d+[mg]$/), 512]);
    }
    const shares = (name: string): number => services[name]?.cpu_shares ?? 0;
    for (const name of ours) expect(shares('postgres')).toBeGreaterThan(shares(name));
  });

  it.each([
    'HEARTH_HTTP_API_KEY_1',
    'HEARTH_SIGNING_KEY_1_ENCODED',
    'POSTGRES_PASSWORD',
    'DATABASE_OWNER_PASSWORD',
    'DATABASE_SERVICE_PASSWORD',
    'NATS_TOKEN',
  ])('refuses to start without %s', (name) => {
    expect(() => readComposeFile({ ...settings, [name]: '' })).toThrow(`required variable ${name} is missing a value`);
  });

  it('gives no secret to a service that does not use it', () => {
    const holders = (secret: string) =>
      Object.keys(services).filter((name) => JSON.stringify(services[name]).includes(settings[secret] ?? '?'));
    expect(holders('HEARTH_HTTP_API_KEY_1')).toEqual(['publish-api']);
    expect(holders('HEARTH_AWS_ACCESS_KEYS')).toEqual(['publish-api']);
    expect(holders('HEARTH_SIGNING_KEY_1_ENCODED')).toEqual(['gateway']);
    expect(holders('HEARTH_WEBHOOK_SECRETS')).toEqual(['webhooks']);
    expect(holders('DATABASE_OWNER_PASSWORD').sort()).toEqual(['migrate', 'postgres']);
    expect(holders('POSTGRES_PASSWORD')).toEqual(['postgres']);
  });

  it('waits longer for the end of a service than the service itself does', () => {
    for (const name of ours) {
      const { stop_grace_period = '0s', environment = {} } = services[name] ?? {};
      expect(Number.parseInt(stop_grace_period, 10)).toBeGreaterThan(Number(environment.HEARTH_DRAIN_SECONDS) + 5);
    }
  });

  it('starts nothing before what it needs, and names only services that exist', () => {
    for (const { depends_on = {} } of Object.values(services)) {
      expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.keys(depends_on)));
    }
    for (const name of ours) {
      expect(services[name]?.depends_on).toMatchObject({
        migrate: { condition: 'service_completed_successfully' },
        nats: { condition: 'service_healthy' },
      });
    }
  });

  it('has an example of every setting', () => {
    const example = readFileSync(join(projectFolder, '.env.example'), 'utf8');
    const required = readFileSync(join(projectFolder, 'docker-compose.yml'), 'utf8').matchAll(/\$\{(\w+):\?/g);
    for (const [, name = ''] of required) expect(Object.keys(parseEnvFile(example))).toContain(name);
  });
});

describe('the image', () => {
  it.each([
    [{}, true, undefined],
    [{ databaseUrl: 'x' }, false, undefined],
    [{}, false, 'HEARTH_DATABASE_URL and HEARTH_NATS_URL must be set'],
    [{ natsUrl: 'x' }, false, 'HEARTH_DATABASE_URL must be set'],
  ])('says in one line what its default command misses: %j, a Postgres of its own %s', (given, hasPostgres, says) => {
    const missing = missingServers(given, hasPostgres);
    if (says === undefined) return expect(missing).toBeUndefined();
    expect(missing).toMatch(new RegExp(`^${says}[^\\n]*$`));
  });

  it('has a folder of its user for what the all-in-one keeps', () => {
    const dockerfile = readFileSync(join(projectFolder, 'Dockerfile'), 'utf8');
    expect(dockerfile).toMatch(/^RUN mkdir (\/\w+) && chown node:node \1\nENV HEARTH_DATA_DIR=\1\n/m);
  });
});

describe('docker-compose.cluster.yml', () => {
  const names = ['nats', 'nats-2', 'nats-3'];

  it('has three NATS servers, each with a volume of its own, and services that wait for them and use them all', async () => {
    const { services, volumes } = readComposeFile(await generateSettings(), 'docker-compose.cluster.yml');
    expect(Object.keys(services).filter((name) => name.startsWith('nats'))).toEqual(names);
    const stores = names.map((name) => services[name]?.volumes?.find((volume) => volume.endsWith(':/data')) ?? '');
    expect(new Set(stores).size).toBe(3);
    expect(Object.keys(volumes)).toEqual(expect.arrayContaining(stores.map((store) => store.split(':')[0])));
    for (const name of names) expect(services[name]).toMatchObject({ image: services.nats?.image, read_only: true });
    for (const name of ours) {
      const { environment = {}, depends_on = {} } = services[name] ?? {};
      expect(environment.HEARTH_NATS_URL).toBe(names.map((server) => `nats://${server}:4222`).join());
      expect(Object.keys(depends_on)).toEqual(expect.arrayContaining([...names, 'migrate']));
      const known: readonly Variable[] = Object.values(VARIABLES);
      for (const variable of ['HEARTH_STREAM_REPLICAS', 'HEARTH_EVENTS_REPLICAS']) {
        const readers = known.find((one) => one.name === variable)?.services as readonly string[];
        expect([variable, name, environment[variable]]).toEqual([
          variable,
          name,
          readers.includes(name) ? '3' : undefined,
        ]);
      }
    }
  });

  it('starts a cluster that keeps three copies and goes on without one of its servers', async () => {
    const stack = await startClusterStack();
    try {
      const { settings, publishApi, gateway, nats } = stack;
      const key = Buffer.from(settings.HEARTH_SIGNING_KEY_1_ENCODED ?? '', 'base64');
      const channels = { c: { subscribe: true } };
      const client = await connect(gateway.wsUrl, signToken({ scope: 'connect', channels }, { secret: key }));
      client.send({ event: 'hotsock.subscribe', channel: 'c' });
      await client.next('hotsock.subscribed');
      const publish = (data: string) =>
        eventually(async () => {
          const response = await fetch(`${publishApi.httpUrl}/publish`, {
            method: 'POST',
            headers: { authorization: `Bearer ${settings.HEARTH_HTTP_API_KEY_1}` },
            body: JSON.stringify({ channel: 'c', event: 'e', data, deduplicationId: data }),
          });
          if (response.status !== 202) throw new Error(`publish: ${response.status} ${await response.text()}`);
        });
      await publish('with all three');
      await client.next(({ data }) => data === 'with all three');
      expect(new Set(await copies(nats.places['nats-2:4222'] ?? '', settings.NATS_TOKEN ?? ''))).toEqual(new Set([3]));
      await nats.servers.nats?.stop();
      await publish('with two');
      await client.next(({ data }) => data === 'with two');
      await client.close();
    } finally {
      await stack.stop();
    }
  });
});

/** How many each stream has. */
async function copies(address: string, token: string): Promise<number[]> {
  const connection = await connectToNats({ servers: address, token });
  try {
    const streams = await (await connection.jetstreamManager()).streams.list().next();
    return streams.map(({ config }) => config.num_replicas);
  } finally {
    await connection.close();
  }
}

describeWithNginx('what docker-compose.yml starts', () => {
  let stack: LocalStack;
  let tokens = 0;

  beforeAll(async () => {
    stack = await startLocalStack();
  });
  afterAll(() => stack?.stop());

  const wsUrl = () => `ws://127.0.0.1:${stack.edge.port}/v1`;
  const connectToken = (channel: string, more: Record<string, unknown> = {}) =>
    signToken(
      {
        scope: 'connect',
        uid: `user-${++tokens}`,
        channels: { [channel]: { subscribe: true, historyStart: 0, ...more } },
      },
      { secret: Buffer.from(stack.settings.HEARTH_SIGNING_KEY_1_ENCODED ?? '', 'base64') },
    );
  const publish = (message: object, key = stack.settings.HEARTH_HTTP_API_KEY_1) =>
    fetch(`${stack.edge.httpUrl}/publish`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(message),
    });
  const subscribe = async (channel: string, token = connectToken(channel)) => {
    const client = await connect(wsUrl(), token);
    client.send({ event: 'hotsock.subscribe', channel });
    await client.next('hotsock.subscribed');
    return client;
  };

  it('applies all migrations as the owner of the database, which the services are not', async () => {
    expect(stack.migrateOutput).toMatch(/^Applied 0001_/);
    const rows = await stack.postgres.query(
      `select tableowner, has_table_privilege('hearth_service', tablename::text, 'insert') as writes,
              has_table_privilege('hearth_service', tablename::text, 'truncate') as truncates
       from pg_tables where tablename = 'message_log'`,
    );
    expect(rows).toEqual([{ tableowner: 'hearth_owner', writes: true, truncates: false }]);
  });

  it('delivers what an AWS SDK publishes through the edge, by name and by ARN', async () => {
    const [accessKeyId = '', secretAccessKey = ''] = (stack.settings.HEARTH_AWS_ACCESS_KEYS ?? '').split(':');
    const lambda = new LambdaClient({
      endpoint: stack.edge.httpUrl,
      region: 'eu-central-1',
      credentials: { accessKeyId, secretAccessKey },
    });
    const client = await subscribe('by-sdk');
    const arn = 'arn:aws:lambda:eu-central-1:123456789012:function:Hearth-PublishFunction';
    for (const FunctionName of ['Hearth-PublishFunction', arn, `${arn}:$LATEST`]) {
      const Payload = JSON.stringify({ channel: 'by-sdk', event: 'greeting', data: FunctionName });
      const { StatusCode } = await lambda.send(new InvokeCommand({ FunctionName, Payload, Qualifier: '$LATEST' }));
      expect(StatusCode).toBe(200);
      expect(await client.next('greeting')).toMatchObject({ data: FunctionName });
    }
    const unknown = lambda.send(new InvokeCommand({ FunctionName: 'other' }));
    await expect(unknown).rejects.toBeInstanceOf(ResourceNotFoundException);
    await client.close();
  });

  it('delivers a published message to WebSocket clients on every gateway', async () => {
    const clients = [await subscribe('c1'), await subscribe('c1'), await subscribe('c1'), await subscribe('c1')];
    const response = await publish({ channel: 'c1', event: 'greeting', data: { n: 12345678901234567890n.toString() } });
    expect([response.status, await response.json()]).toEqual([202, { channel: 'c1', event: 'greeting' }]);
    for (const client of clients) {
      expect(await client.next('greeting')).toMatchObject({ channel: 'c1', data: { n: '12345678901234567890' } });
    }
    await Promise.all(clients.map((client) => client.close()));
    await eventually(() => {
      const upstreams = stack.edge.accessLog().filter(({ path, status }) => path === '/v1' && status === 101);
      expect(new Set(upstreams.map(({ upstream }) => upstream)).size).toBe(2);
    });
  });

  it.each([[['polling']], [['websocket']], [['polling', 'websocket']]])(
    'delivers it to a Socket.IO client with the transports %j',
    async (transports) => {
      const channel = `socket-io-${transports.join('-')}`;
      const socket: Socket = io(stack.edge.httpUrl, {
        transports,
        auth: { token: connectToken(channel) },
        reconnection: false,
      });
      const received: unknown[] = [];
      socket.on('greeting', (frame: unknown) => received.push(frame));
      try {
        const answer: unknown = await socket.timeout(10_000).emitWithAck('hotsock.subscribe', { channel });
        expect(answer).toMatchObject({ event: 'hotsock.subscribed', channel });
        expect((await publish({ channel, event: 'greeting', data: 'hi' })).status).toBe(202);
        await eventually(() => expect(received).toMatchObject([{ channel, event: 'greeting', data: 'hi' }]));
      } finally {
        socket.close();
      }
    },
  );

  it('lists a stored message to the client', async () => {
    const client = await subscribe('c2');
    expect((await publish({ channel: 'c2', event: 'kept', data: [1, 2], store: 60 })).status).toBe(202);
    const { id } = await client.next('kept');
    const { connectionId, connectionSecret } = client.frames[0].data;
    const query = new URLSearchParams({ connectionId, connectionSecret });
    const response = await fetch(`${stack.edge.httpUrl}/connection/listMessages?${query.toString()}`, {
      method: 'POST',
      body: JSON.stringify({ channel: 'c2' }),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({ messages: [{ id, event: 'kept', channel: 'c2', data: [1, 2] }] });
    await client.close();
  });

  it('serves the web console', async () => {
    for (const path of ['/console', '/console/main.js']) {
      const response = await fetch(`${stack.edge.httpUrl}${path}`);
      expect([path, response.status]).toEqual([path, 200]);
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });

  it('takes a client for what the edge says it is, and not for what it says itself', async () => {
    const sent = async (event: string, localAddress: string) => {
      const token = connectToken('c3', { messages: { '*': { publish: true, store: 60 } } });
      const socket = new WebSocket(`${wsUrl()}?token=${token}`, {
        localAddress,
        headers: { 'x-forwarded-for': '198.51.100.7' },
      });
      socket.once('message', () => {
        socket.send(JSON.stringify({ event: 'hotsock.subscribe', channel: 'c3' }));
        socket.send(JSON.stringify({ event, channel: 'c3', data: 1 }));
      });
      try {
        return await eventually(async () => {
          const [row] = await stack.postgres.query('select source_ip from message_log where event = $1', [event]);
          if (row === undefined) throw new Error('the message has not been stored yet');
          return row.source_ip;
        });
      } finally {
        socket.close();
      }
    };
    // The trusted address is 127.0.0.1 here: what comes from there is taken for a proxy in front of the edge.
    expect(await sent('by-proxy', '127.0.0.1')).toBe('198.51.100.7');
    expect(await sent('by-liar', '127.0.0.2')).toBe('127.0.0.2');
  });

  it('refuses a wrong API key, a bad token and too large a body as the services do', async () => {
    expect((await publish({ channel: 'c1', event: 'x' }, 'wrong')).status).toBe(401);
    await expect(connect(wsUrl(), 'not.a.token')).rejects.toMatchObject({ status: 401 });
    const large = await publish({ channel: 'c1', event: 'x', data: 'x'.repeat(300_000) });
    expect([large.status, await large.json()]).toMatchObject([413, { error: { code: 'PAYLOAD_TOO_LARGE' } }]);
  });

  it.each(['/nothing', '/healthz', '/readyz', '/metrics', '/info'])('leads nowhere at %s', async (path) => {
    const response = await fetch(`${stack.edge.httpUrl}${path}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: { code: 'NOT_FOUND', message: expect.any(String) } });
  });

  it('warns of nothing at the start and writes no token or secret anywhere', async () => {
    const lines = stack.all.flatMap(({ lines }) => lines);
    expect(lines.filter((line) => /known variable|No signing key|No API key/.test(line))).toEqual([]);
    const written = [stack.edge.output(), stack.migrateOutput, ...lines].join('\n');
    expect(stack.edge.accessLog().some(({ path }) => path === '/v1')).toBe(true);
    expect(written).not.toMatch(/eyJ[\w-]+\.eyJ|connectionSecret=\w|token=eyJ/);
    for (const [name, value] of Object.entries(stack.settings)) {
      if (/KEY_1$|KEY_2$|ACCESS_KEYS$|ENCODED|PASSWORD|SECRETS$|TOKEN$/.test(name) && value !== '')
        expect(written).not.toContain(value);
    }
  });
});
