import { eventually } from '../support/eventually';
import type { WsClient } from '../support/ws-client';
import { EVERYTHING, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** What the deliver stream can look like after sequencers were paused and NATS was away (promises R1 to R3). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const HISTORY = { channels: { '*': { subscribe: true, historyStart: 0 } } };
const numbers = (client: WsClient) => client.frames.filter(({ event }) => event === 'e').map(({ data }) => data);

it('shows a new subscriber nothing from before, although the newest message of the stream is a late repeat', async () => {
  const { sequencer, gateway } = testbed;
  const messages = [1, 2, 3, 4, 5].map((n) => sequencer.next('repeated', n));
  for (const message of messages) await sequencer.send(message);
  // A sequencer that was paused while it waited for the confirmation sends it again.
  await sequencer.send(messages[1]!);
  const client = await gateway.connect(EVERYTHING);
  await subscribe(client, 'repeated');
  await sequencer.publish('repeated', 6);
  await eventually(() => expect(numbers(client)).toContain(6));
  expect(numbers(client)).toEqual([6]);
});

it('does not repeat what a resuming client saw on a gateway that was ahead', async () => {
  const { sequencer, gateway } = testbed;
  const [witness, client] = [await gateway.connect(HISTORY), await gateway.connect(HISTORY)];
  await subscribe(witness, 'ahead');
  const [first, second, third] = [1, 2, 3].map((n) => sequencer.next('ahead', n));
  await sequencer.send(first!);
  await eventually(() => expect(numbers(witness)).toEqual([1]));
  await subscribe(client, 'ahead', { after: second!.id });
  await sequencer.send(second!);
  await sequencer.send(third!);
  await eventually(() => expect(numbers(client)).toContain(3));
  expect(numbers(witness)).toEqual([1, 2, 3]);
  expect(numbers(client)).toEqual([3]);
});

it('gives a client that resumes while the channel catches up nothing twice', async () => {
  const { sequencer, gateway } = testbed;
  const [witness, client] = [await gateway.connect(HISTORY), await gateway.connect(HISTORY)];
  await subscribe(witness, 'held');
  const [zero, one, , three] = [0, 1, 2, 3].map((n) => sequencer.next('held', n));
  await sequencer.send(zero!);
  await sequencer.send(one!);
  await eventually(() => expect(numbers(witness)).toEqual([0, 1]));
  // Number 2 is missing, so the channel waits with 3, which the stream holds already.
  await sequencer.send(three!);
  await subscribe(client, 'held', { after: zero!.id });
  await sequencer.publish('held', 4);
  await eventually(() => expect(numbers(client)).toContain(4));
  expect(numbers(client)).toEqual([1, 3, 4]);
});

it('delivers a message that the stream holds behind its successors', async () => {
  const { sequencer, gateway } = testbed;
  const client = await gateway.connect(EVERYTHING);
  await subscribe(client, 'late');
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => sequencer.next('late', n));
  // The stream did not take number 2 at first, e.g. because its leader changed, and it was sent again.
  for (const message of [one, three, four, two]) await sequencer.send(message!);
  await sequencer.publish('late', 5);
  await eventually(() => expect(numbers(client)).toContain(5));
  expect(numbers(client)).toEqual([1, 2, 3, 4, 5]);
});
