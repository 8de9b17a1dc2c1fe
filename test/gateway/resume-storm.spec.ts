import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';
import { subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** More clients than a gateway far from NATS reads for within the 15 s that an outage may last. */
const CLIENTS = 120;
const TO_NATS_MS = 600;
const CHANNEL = 'c';
const CLAIMS = { channels: { [CHANNEL]: { subscribe: true, historyStart: 0 } } };

let testbed: Testbed;
let proxy: TcpProxy;
beforeAll(async () => {
  testbed = await startTestbed();
  proxy = await TcpProxy.start(testbed.nats.port);
});
afterAll(async () => {
  await testbed?.stop();
  await proxy?.stop();
});

it.each([
  ['a resume point', (after: string) => ({ resume: { after } })],
  ['the last id', (after: string) => ({ after })],
])('clients that resume by %s wait for their turn for as long as others have theirs', async (_, pointAt) => {
  const { sequencer } = testbed;
  const gateway = await testbed.anotherGateway({}, { ...testbed.servers, natsUrl: `nats://127.0.0.1:${proxy.port}` });
  const witness = await testbed.gateway.connect(CLAIMS);
  await subscribe(witness, CHANNEL);
  const seen = await sequencer.publish(CHANNEL, 'seen');
  await sequencer.publish(CHANNEL, 'missed');
  await eventually(() => expect(witness.frames.map(({ data }) => data)).toContain('missed'));
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => gateway.connect(CLAIMS)));
  await Promise.all(clients.map((client) => client.connected()));
  proxy.slowDown(TO_NATS_MS);
  const answers = await Promise.all(
    clients.map((client) => Promise.race([subscribe(client, CHANNEL, pointAt(seen)), client.closed])),
  );
  proxy.slowDown(0);
  for (const answer of answers) expect(answer).toMatchObject({ data: { resume: { complete: true } } });
  await eventually(() => {
    for (const client of clients) expect(client.frames.filter(({ data }) => data === 'missed')).toHaveLength(1);
  });
  for (const client of clients) void client.close();
});
