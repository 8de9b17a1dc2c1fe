import { setTimeout as delay } from 'node:timers/promises';
import { decodeBundle, decodeIngest, IngestOperation, OperationOf } from '@hearth/wire';
import { connect } from 'nats';
import { eventually } from '../support/eventually';
import { subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

const CHANNEL = 'presence.a';
/** How long a gateway waits for the owner of a channel, which answers nothing here. */
const PATIENCE_MS = 3_000;

let testbed: Testbed;
beforeAll(async () => (testbed = await startTestbed({ httpTimeoutMs: PATIENCE_MS })));
afterAll(() => testbed.stop());

it('a confirmation that does not come ends neither the subscription nor a later attempt to enter', async () => {
  const nats = await connect({ servers: testbed.nats.url });
  const operations: IngestOperation[] = [];
  nats.subscribe('hearth.ingest.*', {
    callback: (_error, { data }) => {
      for (const { operation } of decodeBundle(data).map(decodeIngest)) {
        if (operation !== undefined) operations.push(operation);
      }
    },
  });
  await nats.flush();
  const kinds = () => operations.map(({ kind }) => kind);
  const joinsSeen = (count: number): Promise<OperationOf<'join'>> =>
    eventually(() => {
      const joins = operations.filter((one): one is OperationOf<'join'> => one.kind === 'join');
      expect(joins).toHaveLength(count);
      return joins[count - 1] as OperationOf<'join'>;
    });
  try {
    const client = await testbed.gateway.connect({ uid: 'u', channels: { '*': { subscribe: true } } });
    const first = subscribe(client, CHANNEL);
    await testbed.sequencer.letIn(await joinsSeen(1));
    await first;
    const startedAt = Date.now();
    client.send({ event: 'hotsock.unsubscribe', channel: CHANNEL });
    await delay(PATIENCE_MS / 2);
    const second = subscribe(client, CHANNEL);
    const join = await joinsSeen(2);
    // The first attempt's confirmation is overdue, the second is still in time.
    await delay(startedAt + PATIENCE_MS * 1.1 - Date.now());
    await testbed.sequencer.letIn(join);
    await second;
    // Overdue as well now.
    await delay(PATIENCE_MS / 2);
    expect(kinds()).toEqual(['join', 'leave', 'join']);
    expect(client.frames.filter(({ event }) => event === 'hotsock.error')).toEqual([]);
  } finally {
    await nats.close();
  }
});
