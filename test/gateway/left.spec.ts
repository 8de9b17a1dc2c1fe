import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import type { WsClient } from '../support/ws-client';
import { startTestbed, type Testbed } from './testbed';

/** More than are read for at once. */
const LEAVERS = 30;
const PAYLOAD = 'x'.repeat(30_000);
const CLAIMS = { channels: { '*': { subscribe: true, historyStart: 0 } } };
const channelOf = (n: number): string => `c${n}`;

let testbed: Testbed;
let nats: TcpProxy;
beforeAll(async () => {
  testbed = await startTestbed();
  nats = await TcpProxy.start(testbed.nats.port);
});
afterAll(async () => {
  await testbed?.stop();
  await nats?.stop();
});

it('clients that resume and go before it is their turn are not read for (limits §5)', async () => {
  const seen: string[] = [];
  for (let n = 0; n <= LEAVERS; n++) {
    seen.push(await testbed.sequencer.publish(channelOf(n), 'seen'));
    for (let missed = 0; missed < 4; missed++) await testbed.sequencer.publish(channelOf(n), PAYLOAD);
  }
  const gateway = await testbed.anotherGateway({}, { ...testbed.servers, natsUrl: `nats://127.0.0.1:${nats.port}` });
  const clients = await Promise.all(Array.from({ length: LEAVERS + 1 }, () => gateway.connect(CLAIMS)));
  await Promise.all(clients.map((client) => client.connected()));
  const stayer = clients.pop()!;
  const resume = (client: WsClient, n: number): void =>
    client.send({ event: 'hotsock.subscribe', channel: channelOf(n), data: { resume: { after: seen[n] } } });
  nats.slowDown(500);
  clients.forEach(resume);
  for (const client of clients) void client.close();
  await eventually(() => expect(gateway.metrics.connections.of('websocket').value).toBe(1));
  const before = nats.answered;
  resume(stayer, LEAVERS);
  await stayer.next('hotsock.subscribed');
  await eventually(() => expect(stayer.frames.filter(({ data }) => data === PAYLOAD)).toHaveLength(4));
  nats.slowDown(0);
  // Some of them were being read.
  expect(nats.answered - before).toBeLessThan((LEAVERS - 5) * 4 * PAYLOAD.length);
});
