import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectNats } from 'nats';
import { DELIVER_STREAM, ingestStream, partitionOf } from '@hearth/wire';
import { eventually, LONGEST_WAIT_MS } from '../support/eventually';
import { Testbed, type Client } from '../support/installation';

/** Streams that are gone while Hearth runs: deleted by somebody, or lost with the store of nats-server. */
let testbed: Testbed;
let clients: Client[];
const CHANNEL = 'lost-streams';

beforeAll(async () => {
  testbed = await Testbed.start();
  clients = await Promise.all(testbed.gateways.map((gateway) => open(gateway)));
});
afterAll(() => testbed?.stop());

async function open(gateway: Testbed['gateways'][number]): Promise<Client> {
  const client = await testbed.connect({ channels: { [CHANNEL]: { subscribe: true } } }, gateway);
  await client.subscribe(CHANNEL);
  return client;
}

let next = 0;
/** Publishes for as long as `during` takes, and until so many more were accepted. @returns which were */
async function publishWhile(during: () => Promise<void>, more = 20): Promise<number[]> {
  const accepted: number[] = [];
  let isDone = false;
  const working = during().finally(() => (isDone = true));
  let wanted = Infinity;
  const giveUpAt = Date.now() + LONGEST_WAIT_MS;
  while (accepted.length < wanted) {
    if (Date.now() > giveUpAt) throw new Error('messages are not accepted again');
    const n = next++;
    const { status } = await testbed.publishOne({ channel: CHANNEL, event: 'e', data: n, store: 600 });
    if (status === 202) accepted.push(n);
    if (isDone && wanted === Infinity) wanted = accepted.length + more;
    await delay(5);
  }
  await working;
  return accepted;
}

/** All that was accepted has come to everybody, in order and once. */
async function expectArrived(accepted: readonly number[]): Promise<void> {
  for (const { ws } of clients) {
    const arrived = (): number[] => ws.frames.filter(({ event }) => event === 'e').map(({ data }) => data as number);
    await eventually(() => expect(arrived()).toEqual(expect.arrayContaining([...accepted])));
    expect(arrived()).toEqual([...new Set(arrived())].sort((a, b) => a - b));
  }
}

/** Everything works, and the log has not been filled. */
async function expectHealthy(): Promise<void> {
  for (const app of testbed.apps) {
    await app.untilReady(10_000);
    expect(app.lines.filter((line) => /"(WARN|ERROR)".*stream not found/.test(line)).length).toBeLessThan(5);
  }
  for (const gateway of testbed.gateways) await (await open(gateway)).ws.close();
}

async function deleteStream(name: string): Promise<void> {
  const nats = await connectNats({ servers: `127.0.0.1:${testbed.nats.port}` });
  await (await nats.jetstreamManager()).streams.delete(name);
  await nats.close();
}

it('messages flow again, and none is lost, after the deliver stream was deleted', async () => {
  await expectArrived(await publishWhile(async () => undefined));
  await expectArrived(await publishWhile(() => deleteStream(DELIVER_STREAM), 100));
  await expectHealthy();
}, 90_000);

it('messages flow again after the stream of a partition was deleted', async () => {
  await deleteStream(ingestStream(partitionOf(CHANNEL, 2)));
  await expectArrived(await publishWhile(async () => undefined));
  await expectHealthy();
}, 90_000);

it('messages flow again after nats-server came back with an empty store', async () => {
  const accepted = await publishWhile(async () => {
    await testbed.nats.kill();
    await rm(join(testbed.nats.storeDir, 'jetstream'), { recursive: true });
    await testbed.nats.restart();
  });
  // What was accepted in the moment before the store was lost is lost with it.
  await expectArrived(accepted.slice(-20));
  await expectHealthy();
}, 90_000);
