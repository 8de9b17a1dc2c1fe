import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { TcpProxy } from '../support/tcp-proxy';
import type { Receiver } from './receiver';
import { admin, metricOf, range, Testbed } from './testbed';

let testbed: Testbed;
let receiver: Receiver;

beforeEach(async () => {
  testbed = await Testbed.open();
  receiver = await testbed.receiver();
});
afterEach(() => testbed.close());

/** Dead letters as the admin port shows them, the latest first. */
async function deadLetters(process: AppProcess, query = ''): Promise<Record<string, unknown>[]> {
  const { status, body } = await admin(process, `/webhooks/dead-letters${query}`);
  expect(status).toBe(200);
  return body.deadLetters as Record<string, unknown>[];
}

const ONE_ATTEMPT = { HEARTH_WEBHOOK_MAX_ATTEMPTS: '1' };

describe('an answer', () => {
  it.each([301, 307])('of %s is a failure: redirects are not followed', async (status) => {
    const elsewhere = await testbed.receiver();
    receiver.behaviour = () => ({ status, headers: { location: elsewhere.url } });
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    await testbed.emit('c', 1);
    const [letter] = await eventually(async () => {
      const letters = await deadLetters(process);
      expect(letters).toHaveLength(1);
      return letters;
    });
    expect(letter?.lastError).toBe(`answered ${status}: redirects are not followed`);
    expect(elsewhere.connections).toBe(0);
  });

  it.each([400, 404, 500])('of %s is tried again', async (status) => {
    receiver.behaviour = () => (receiver.deliveries.length === 1 ? status : 200);
    await testbed.start(receiver.url);
    await testbed.emit('c', 1);
    await eventually(() => expect(receiver.numbers('c')).toEqual([1]));
    expect(receiver.deliveries).toHaveLength(2);
  });

  it('of 410 has the URL left alone; nothing is lost, and a restart asks again', async () => {
    const other = await testbed.receiver();
    receiver.behaviour = () => 410;
    // It lets time pass: this channel comes through when the delays of two failures are over.
    other.behaviour = ({ id }) => (other.deliveries.filter((one) => one.id === id).length < 3 ? 500 : 200);
    const urls = [receiver.url, other.url];
    const process = await testbed.start(urls);
    await testbed.emit('c', 0);
    await eventually(() => expect(receiver.deliveries).toHaveLength(1));
    for (const channel of ['c', 'd']) await testbed.emit(channel, 1);
    await eventually(() => expect(other.numbers('c')).toEqual([0]));
    expect(receiver.deliveries).toHaveLength(1);
    expect(process.lines.join('\n')).toContain('nothing is sent for a while');
    receiver.behaviour = () => 200;
    await testbed.kill(process, 'SIGTERM');
    await testbed.start(urls);
    await eventually(() => expect([receiver.numbers('c'), receiver.numbers('d')]).toEqual([[0, 1], [1]]));
  });

  it.each([429, 503])('of %s with Retry-After has the URL left alone until then', async (status) => {
    receiver.behaviour = () => (receiver.deliveries.length === 1 ? { status, headers: { 'retry-after': '4' } } : 200);
    const process = await testbed.start(receiver.url);
    const begin = Date.now();
    await testbed.emit('c', 0);
    await eventually(() => expect(receiver.deliveries).toHaveLength(1));
    await testbed.emit('d', 0);
    await eventually(async () => expect(await metricOf(process, 'paused')).toBe(1));
    await eventually(() => expect(receiver.accepted).toHaveLength(2));
    // A lower bound that was asked for; without it both would have come after a second.
    expect(Date.now() - begin).toBeGreaterThan(3_900);
    expect(await metricOf(process, 'paused')).toBe(0);
  });

  it('that does not come counts as a failure', async () => {
    receiver.behaviour = () => undefined;
    const process = await testbed.start(receiver.url, { ...ONE_ATTEMPT, HEARTH_WEBHOOK_TIMEOUT_MS: '300' });
    await testbed.emit('c', 1);
    await eventually(async () => {
      expect(await deadLetters(process)).toMatchObject([{ attempts: 1, lastError: 'no answer within 300 ms' }]);
    });
  });

  it('is asked for again, at once, where a kept connection turns out to be closed', async () => {
    const used = new WeakSet<object>();
    receiver.behaviour = (_, { socket }) => {
      if (socket === null) return 500;
      if (!used.has(socket)) {
        used.add(socket);
        return 200;
      }
      socket.resetAndDestroy();
      return undefined;
    };
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    for (const n of range(3)) await testbed.emit('c', n);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(3)));
    expect(receiver.deliveries.length).toBeGreaterThan(3);
    expect(await metricOf(process, 'failed_total')).toBe(0);
  });
});

describe('a receiver that is away', () => {
  it('gets everything when it comes back', async () => {
    await receiver.stop();
    testbed.receivers.length = 0;
    await testbed.start(receiver.url);
    for (const n of range(10)) for (const channel of ['a', 'b']) await testbed.emit(channel, n);
    await eventually(async () => {
      expect((await testbed.sql.query('select 1 from webhook_waiting')).rows).toHaveLength(20);
    });
    const back = await testbed.receiver(receiver.port);
    await eventually(() => {
      for (const channel of ['a', 'b']) expect(back.numbers(channel)).toEqual(range(10));
    });
  });
});

describe('a private address', () => {
  const refused = async (url: string, connections: () => number) => {
    const process = await testbed.start(url, { ...ONE_ATTEMPT, HEARTH_WEBHOOK_ALLOW_PRIVATE: 'false' });
    await testbed.emit('c', 1);
    const [letter] = await eventually(async () => {
      const letters = await deadLetters(process);
      expect(letters).toHaveLength(1);
      return letters;
    });
    expect(letter?.lastError).toMatch(/has no public address, and HEARTH_WEBHOOK_ALLOW_PRIVATE is off$/);
    expect(connections()).toBe(0);
  };

  it.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '0', '[::ffff:127.0.0.1]'])(
    'is refused, written as %s',
    (host) => refused(receiver.url.replace('127.0.0.1', host), () => receiver.connections),
  );

  it('is refused in IPv6', async () => {
    const server = createServer();
    let connections = 0;
    server.on('connection', () => connections++);
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      await refused(`http://[::1]:${port}/`, () => connections);
    } finally {
      server.close();
    }
  });
});

describe('a dead letter', () => {
  it('is made after the last attempt, and the next event of the channel has its turn', async () => {
    receiver.behaviour = ({ n }) => (n === 0 ? 500 : 200);
    const process = await testbed.start(receiver.url, { HEARTH_WEBHOOK_MAX_ATTEMPTS: '3' });
    const { id, text } = await testbed.emit('c', 0);
    await testbed.emit('c', 1);
    await testbed.emit('c', 2);
    await eventually(() => expect(receiver.numbers('c')).toEqual([1, 2]));
    expect(receiver.deliveries.map(({ n }) => n)).toEqual([0, 0, 0, 1, 2]);
    const [letter] = await deadLetters(process);
    expect(letter).toEqual({
      id: expect.stringMatching(/^[0-9A-Z]{26}$/),
      target: expect.stringMatching(/^127\.0\.0\.1:\d+~[0-9a-f]{8}$/),
      eventId: id,
      type: 'hotsock.messagePublished',
      channel: 'c',
      attempts: 3,
      lastError: 'answered 500',
      waitingSince: expect.any(String),
      givenUpAt: expect.any(String),
      retryRequestedAt: null,
      bytes: Buffer.byteLength(text),
    });
    expect((await admin(process, `/webhooks/dead-letters/${String(letter?.id)}`)).body).toEqual({
      ...letter,
      payload: text,
    });
    expect(await metricOf(process, 'dead_letters_total')).toBe(1);
    expect(process.lines.join('\n')).toContain('"message":"an event was given up: it is a dead letter"');
  });

  it('is made of every event of a channel that waited for as long as all attempts take', async () => {
    receiver.behaviour = ({ channel }) => (channel === 'bad' ? 500 : 200);
    const process = await testbed.start(receiver.url, { HEARTH_WEBHOOK_MAX_ATTEMPTS: '3' });
    for (const n of range(20)) await testbed.emit('bad', n);
    // Three seconds for all of them, not for each.
    await eventually(async () => expect(await deadLetters(process)).toHaveLength(20), 45_000);
    // Each had an attempt of its own.
    const tried = receiver.deliveries.map(({ n }) => n);
    expect([...new Set(tried)]).toEqual(range(20));
  });

  it('is sent again although the answer of Postgres is lost', async () => {
    const url = new URL(testbed.database.url);
    const proxy = await TcpProxy.start(Number(url.port));
    url.port = String(proxy.port);
    try {
      receiver.behaviour = () => 500;
      const process = await testbed.start(receiver.url, { ...ONE_ATTEMPT, HEARTH_DATABASE_URL: url.href });
      await testbed.emit('c', 0);
      await eventually(async () => expect(await deadLetters(process)).toHaveLength(1));
      receiver.behaviour = () => 200;
      await testbed.sql.query('begin');
      await testbed.sql.query('lock table webhook_dead_letter');
      await testbed.sql.query('update webhook_dead_letter set retry_requested_at = now()');
      const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await eventually(async () => expect((await testbed.sql.query(waits)).rowCount).toBeGreaterThan(0));
      proxy.swallowAnswers();
      await testbed.sql.query('commit');
      const waiting = 'select from webhook_waiting';
      await eventually(async () => expect((await testbed.sql.query(waiting)).rowCount).toBe(1));
      proxy.lose();
      proxy.cut();
      // An operator is told so, and not what the service said.
      await eventually(async () => {
        const { status, body } = await admin(process, '/webhooks/dead-letters');
        expect([status, body]).toEqual([503, 'the database does not answer at the moment, try again\n']);
      });
      proxy.find();
      proxy.cut();
      await eventually(() => expect(receiver.numbers('c')).toEqual([0]));
    } finally {
      await proxy.stop();
    }
  });

  it('is sent again when an operator asks for it', async () => {
    let works = false;
    receiver.behaviour = ({ channel }) => (channel === 'never' || !works ? 500 : 200);
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    for (const n of range(3)) await testbed.emit('c', n);
    await testbed.emit('never', 0);
    await eventually(async () => expect(await deadLetters(process)).toHaveLength(4));
    works = true;
    const letters = await deadLetters(process);
    const second = letters.find(({ eventId }) => eventId === receiver.deliveries.find(({ n }) => n === 1)?.id);
    const one = await admin(process, `/webhooks/dead-letters/${String(second?.id)}/retry`, 'POST');
    expect(one).toEqual({ status: 202, body: { requested: 1 } });
    await eventually(() => expect(receiver.numbers('c')).toEqual([1]));
    const all = await admin(process, `/webhooks/dead-letters/retry?target=${String(second?.target)}`, 'POST');
    expect(all).toEqual({ status: 202, body: { requested: 3 } });
    await eventually(() => expect(receiver.numbers('c')).toEqual([1, 0, 2]));
    // What fails again is a dead letter again.
    await eventually(async () => expect(await deadLetters(process)).toMatchObject([{ channel: 'never', attempts: 1 }]));
    expect((await admin(process, '/webhooks/dead-letters/NONE/retry', 'POST')).status).toBe(404);
    expect((await admin(process, '/webhooks/dead-letters/NONE')).status).toBe(404);
    // They hold what users wrote.
    for (const path of ['', '/NONE', `/${String(second?.id)}`]) {
      const response = await fetch(`http://127.0.0.1:${process.adminPort}/webhooks/dead-letters${path}`);
      expect(response.status).toBe(401);
    }
    // Whoever tries is on record.
    await eventually(() => expect(process.lines.filter((line) => line.includes('app.audit'))).not.toEqual([]));
    const record = JSON.parse(process.lines.find((line) => line.includes('app.audit')) ?? '{}');
    expect(record).toMatchObject({ action: 'refuse', outcome: 'refused', actor: 'client', target: { door: 'admin' } });
    expect(record.sourceIp).toBe('127.0.0.1');
  });

  it('is listed in pages, the latest first', async () => {
    receiver.behaviour = () => 500;
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    for (const n of range(5)) await testbed.emit('c', n);
    await eventually(async () => expect(await deadLetters(process)).toHaveLength(5));
    const pages: unknown[][] = [];
    for (let query = '?limit=2'; pages.length < 5;) {
      const { body } = await admin(process, `/webhooks/dead-letters${query}`);
      pages.push(body.deadLetters.map(({ eventId }: { eventId: string }) => eventId));
      if (body.next === null) break;
      query = `?limit=2&before=${body.next}`;
    }
    const ids = receiver.deliveries.map(({ id }) => id).reverse();
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    expect(await deadLetters(process, '?target=other')).toEqual([]);
  });

  it('is not listed for a query that is wrong', async () => {
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    for (const query of ['limit=0', 'limit=501', 'limit=x', 'limit=1.5', 'limit=', 'limit=1e1', 'before=x']) {
      const { status, body } = await admin(process, `/webhooks/dead-letters?${query}`);
      const problem = expect.stringMatching(`^${query.split('=')[0]!} must be`);
      expect([query, status, body.error]).toEqual([query, 400, problem]);
    }
  });

  it('goes after thirty days', async () => {
    receiver.behaviour = () => 500;
    const process = await testbed.start(receiver.url, ONE_ATTEMPT);
    for (const n of range(2)) await testbed.emit('c', n);
    await eventually(async () => expect(await deadLetters(process)).toHaveLength(2));
    const [young, old] = await deadLetters(process);
    // A ULID of long ago.
    await testbed.sql.query(`update webhook_dead_letter set id = '00' || substr(id, 3) where id = $1`, [old?.id]);
    await testbed.kill(process, 'SIGTERM');
    const next = await testbed.start(receiver.url, ONE_ATTEMPT);
    await eventually(async () => expect((await deadLetters(next)).map(({ id }) => id)).toEqual([young?.id]));
  });
});

describe('the configuration', () => {
  const linesOf = (env: Readonly<Record<string, string>>) =>
    testbed.start([], { HEARTH_WEBHOOK_SECRETS: '', ...env }).then(
      () => 'started',
      (error: Error) => error.message,
    );

  it('with URLs and no secret is wrong', async () => {
    expect(await linesOf({ HEARTH_WEBHOOK_URLS: receiver.url })).toContain(
      'HEARTH_WEBHOOK_SECRETS: is required with HEARTH_WEBHOOK_URLS',
    );
  });

  it('names every mistake, and repeats no secret', async () => {
    const lines = await linesOf({
      HEARTH_WEBHOOK_URLS: 'ftp://PLANTED@example.com',
      HEARTH_WEBHOOK_SECRETS: 'whsec_UExBTlRFRA==',
      HEARTH_WEBHOOK_TYPES: 'hotsock.nothing',
      HEARTH_WEBHOOK_TIMEOUT_MS: '1',
      HEARTH_WEBHOOK_MAX_ATTEMPTS: '0',
    });
    for (const name of ['URLS', 'SECRETS', 'TYPES', 'TIMEOUT_MS', 'MAX_ATTEMPTS']) {
      expect(lines).toMatch(new RegExp(`HEARTH_WEBHOOK_${name}: must be `));
    }
    expect(lines).not.toMatch(/PLANTED|UExBTlRFRA/);
  });

  it('without URLs is right, and nothing is done', async () => {
    const process = await testbed.start([]);
    expect(process.lines.join('\n')).toContain('No URL is set (HEARTH_WEBHOOK_URLS): there is nothing to do');
  });

  it('gives nothing of a URL away but its host', async () => {
    receiver.behaviour = () => 500;
    const url = `${receiver.url.replace('//', '//user:PLANTED1@')}/PLANTED2?key=PLANTED3`;
    const process = await testbed.start(url, ONE_ATTEMPT);
    await testbed.emit('c', 1);
    await eventually(async () => expect(await deadLetters(process)).toHaveLength(1));
    const metrics = await (await fetch(`http://127.0.0.1:${process.adminPort}/metrics`)).text();
    const { rows } = await testbed.sql.query('select * from webhook_target');
    const shown = [process.lines.join('\n'), metrics, JSON.stringify(await deadLetters(process)), JSON.stringify(rows)];
    expect(shown.join('\n')).not.toContain('PLANTED');
    expect(receiver.deliveries[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from('user:PLANTED1').toString('base64')}`,
    );
  });
});
