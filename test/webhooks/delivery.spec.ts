import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { OTHER_SECRET, type Receiver, SECRET } from './receiver';
import { metricOf, range, Testbed } from './testbed';

let testbed: Testbed;
let receiver: Receiver;

beforeEach(async () => {
  testbed = await Testbed.open();
  receiver = await testbed.receiver();
});
afterEach(async () => {
  const forged = testbed.receivers.flatMap((one) => one.forged);
  await testbed.close();
  expect(forged).toEqual([]);
});

describe('a webhook', () => {
  it('is sent although more had waited than may: what somebody deletes from the list takes no room', async () => {
    const before = await testbed.start(receiver.url);
    const { text } = await testbed.emit('c', 1);
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    await testbed.kill(before);
    // The first page of the queue is its first event; what is behind it is more than may wait.
    const first = JSON.stringify({ ...JSON.parse(text), filler: 'x'.repeat(300_000) });
    await testbed.sql.query(
      `insert into webhook_waiting (target, ordering_key, stream_epoch, seq, event_id, type, payload, attempts)
       select target, 'large', 0, n, n, 'hotsock.messagePublished',
              convert_to(case when n = 1 then $1 else repeat('x', 1048576) end, 'UTF8'), 0
         from webhook_target, generate_series(1, 260) as n`,
      [first],
    );
    let goOn: (status: number) => void = () => undefined;
    receiver.behaviour = () => new Promise<number>((resolve) => (goOn = resolve));
    await testbed.start(receiver.url);
    await eventually(() => expect(receiver.deliveries.filter(({ body }) => body === first)).toHaveLength(1));
    await testbed.sql.query(`delete from webhook_waiting where ordering_key = 'large' and seq > 1`);
    receiver.behaviour = () => 200;
    goOn(200);
    // Reading goes on behind what came while the list was full.
    for (const n of [2, 3]) {
      await testbed.emit('d', n);
      await eventually(() => expect(receiver.numbers('d')).toContain(n));
    }
  });

  it('is the event as it is on the stream, signed', async () => {
    await testbed.start(receiver.url);
    const { id, text } = await testbed.emit('a.b', 1, { data: { big: '👋', deep: [[]] } });
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    const [delivery] = receiver.deliveries;
    expect(delivery).toMatchObject({ id, body: text, path: '/hook' });
    expect(delivery?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'user-agent': expect.stringMatching(/^Hearth\/\d/),
      'webhook-signature': expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    });
  });

  it('is signed with every secret, so that a receiver may know the old or the new one', async () => {
    await testbed.start(receiver.url, { HEARTH_WEBHOOK_SECRETS: `${OTHER_SECRET},${SECRET}` });
    await testbed.emit('c', 1);
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    receiver.secret = OTHER_SECRET;
    await testbed.emit('c', 2);
    await eventually(() => expect(receiver.accepted).toHaveLength(2));
    expect(receiver.deliveries[1]?.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
  });

  it('is signed with a changed secret without a restart; none at all is a mistake, and the old one stays', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-test-secrets-'));
    const file = join(folder, 'secrets');
    await writeFile(file, OTHER_SECRET);
    const webhooks = await testbed.start(receiver.url, {
      HEARTH_WEBHOOK_SECRETS: '',
      HEARTH_WEBHOOK_SECRETS_FILE: file,
    });
    receiver.secret = OTHER_SECRET;
    await testbed.emit('c', 1);
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    const reload = async (secrets: string, line: string) => {
      await writeFile(file, secrets);
      process.kill(webhooks.pid, 'SIGHUP');
      await eventually(() => expect(webhooks.lines.join('\n')).toContain(line));
    };
    await reload(SECRET, 'Settings were read again');
    receiver.secret = SECRET;
    await testbed.emit('c', 2);
    await eventually(() => expect(receiver.accepted).toHaveLength(2));
    await reload('', 'HEARTH_WEBHOOK_SECRETS: is required with HEARTH_WEBHOOK_URLS');
    await testbed.emit('c', 3);
    await eventually(() => expect(receiver.accepted).toHaveLength(3));
    await rm(folder, { recursive: true });
  });

  it('goes to every URL, and one that fails holds up no other', async () => {
    const broken = await testbed.receiver();
    broken.behaviour = () => 500;
    await testbed.start([broken.url, receiver.url]);
    for (const n of range(20)) await testbed.emit('c', n);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(20)));
    expect(broken.numbers('c')).toEqual([]);
    expect(broken.deliveries.length).toBeGreaterThan(0);
  });

  it('is sent for the wanted types only', async () => {
    await testbed.start(receiver.url, { HEARTH_WEBHOOK_TYPES: 'hotsock.memberAdded, hotsock.connected' });
    await testbed.emit('c', 1);
    await testbed.emitEvent('channelMember', 'memberAdded', { channel: 'c' }, { n: 2 }, 'c');
    await testbed.emitEvent('connection', 'connected', {}, { id: 'AAAA', n: 3 });
    await eventually(() => expect(receiver.accepted).toHaveLength(2));
    expect(receiver.accepted.map(({ type }) => type).sort()).toEqual(['hotsock.connected', 'hotsock.memberAdded']);
  });

  it('is not sent for what was published before its URL was first configured', async () => {
    await testbed.emit('c', 1);
    await testbed.start(receiver.url);
    await testbed.emit('c', 2);
    await eventually(() => expect(receiver.numbers('c')).toEqual([2]));
  });

  it('goes over connections that stay open', async () => {
    await testbed.start(receiver.url);
    for (const n of range(50)) await testbed.emit('c', n);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(50)));
    expect(receiver.connections).toBe(1);
  });

  it('is delivered with the status, however long the answer would be', async () => {
    receiver.behaviour = (delivery, response) => {
      delivery.status = 200;
      response.writeHead(200);
      const endless = setInterval(() => response.write(Buffer.alloc(65_536)), 1);
      response.once('close', () => clearInterval(endless));
      return undefined;
    };
    await testbed.start(receiver.url);
    for (const n of range(3)) await testbed.emit('c', n);
    await eventually(() => expect(receiver.numbers('c')).toEqual(range(3)));
  });
});

describe('the events of one channel', () => {
  it('are delivered in order, also when some fail, and other channels go on meanwhile', async () => {
    let fails = true;
    receiver.behaviour = ({ channel }) => (channel === 'bad' && fails ? 500 : 200);
    const webhooks = await testbed.start(receiver.url);
    for (const n of range(30)) {
      await testbed.emit('bad', n);
      await testbed.emit('good', n);
    }
    await eventually(() => expect(receiver.numbers('good')).toEqual(range(30)));
    // Nothing overtakes the one that fails.
    expect(new Set(receiver.deliveries.filter(({ channel }) => channel === 'bad').map(({ n }) => n))).toEqual(
      new Set([0]),
    );
    await eventually(async () => expect(await metricOf(webhooks, 'waiting')).toBe(30));
    fails = false;
    await testbed.emit('bad', 30);
    await eventually(() => expect(receiver.numbers('bad')).toEqual(range(31)));
    await eventually(async () => expect(await metricOf(webhooks, 'waiting')).toBe(0));
    expect(await metricOf(webhooks, 'delivered_total')).toBe(61);
    expect(await metricOf(webhooks, 'failed_total')).toBeGreaterThan(0);
    // What was delivered is taken off the list a moment later.
    await eventually(async () => expect((await testbed.sql.query('select 1 from webhook_waiting')).rows).toEqual([]));
  });

  it('are repeated with the same id and a signature of their own', async () => {
    receiver.behaviour = () => (receiver.deliveries.length < 3 ? 503 : 204);
    await testbed.start(receiver.url);
    const { id } = await testbed.emit('c', 1);
    await eventually(() => expect(receiver.accepted).toHaveLength(1));
    expect(receiver.deliveries.map((delivery) => delivery.id)).toEqual([id, id, id]);
    const [first, , third] = receiver.deliveries;
    expect(Number(third?.timestamp)).toBeGreaterThan(Number(first?.timestamp));
    expect(third?.headers['webhook-signature']).not.toBe(first?.headers['webhook-signature']);
  });

  it('stay in order when answers are random failures', async () => {
    // Not Math.random: a failure of this test must be the same the next time.
    let state = 1;
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    receiver.behaviour = () => (random() < 0.05 ? 500 : 200);
    await testbed.start(receiver.url);
    const channels = range(40).map((c) => `c${c}`);
    for (const n of range(20)) await Promise.all(channels.map((channel) => testbed.emit(channel, n)));
    await eventually(() => {
      for (const channel of channels) expect(receiver.numbers(channel)).toEqual(range(20));
    });
  });

  it('that hang do not hold up those of others', async () => {
    receiver.behaviour = ({ channel }) => (channel === 'slow' ? undefined : 200);
    await testbed.start(receiver.url, { HEARTH_WEBHOOK_TIMEOUT_MS: '120000' });
    // More than is kept in memory.
    await Promise.all(range(1_500).map((n) => testbed.emit('slow', n)));
    await Promise.all(range(50).map((n) => testbed.emit('quick', n)));
    await eventually(() => expect(receiver.numbers('quick')).toEqual(range(50)));
    expect(receiver.deliveries.filter(({ channel }) => channel === 'slow')).toHaveLength(1);
  });
});

describe('the events of one connection', () => {
  it('are delivered in order, and independently of others', async () => {
    const connectionOf = ({ body }: { body: string }) => (JSON.parse(body) as { data: { id: string } }).data.id;
    let fails = true;
    receiver.behaviour = (delivery) => (connectionOf(delivery) === 'bad' && fails ? 500 : 200);
    await testbed.start(receiver.url);
    for (const id of ['bad', 'good']) {
      for (const [n, typeName] of ['connected', 'connectionUpdated', 'disconnected'].entries())
        await testbed.emitEvent('connection', typeName, {}, { id, n });
    }
    const delivered = (id: string) => receiver.accepted.filter((one) => connectionOf(one) === id).map(({ n }) => n);
    await eventually(() => expect(delivered('good')).toEqual([0, 1, 2]));
    expect(delivered('bad')).toEqual([]);
    fails = false;
    await eventually(() => expect(delivered('bad')).toEqual([0, 1, 2]));
  });
});
