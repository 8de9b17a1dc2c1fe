import { eventually } from '../support/eventually';
import type { AppProcess } from '../support/process';
import { Testbed } from '../support/installation';

let testbed: Testbed;

beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_TRACES_SAMPLE_RATE: '100', HEARTH_LOG_LEVEL: 'DEBUG' });
});
afterAll(() => testbed?.stop());

type Span = Readonly<Record<string, unknown>>;

/** Spans in the logs of all processes of one name. */
const spansOf = (name: AppProcess['name']): Span[] =>
  testbed.apps
    .filter((app) => app.name === name)
    .flatMap(({ lines }) => lines.filter((line) => line.includes('"app.span"')))
    .map((line) => JSON.parse(line) as Span);
const named = (spans: readonly Span[], name: string) => spans.filter(({ spanName }) => spanName === name);

it('at 100 percent every publish and every read of history leaves its spans in the log', async () => {
  const claims = { subscribe: true, historyStart: 0, messages: { '*': { publish: true } } };
  const client = await testbed.connect({ uid: 'u1', channels: { traced: claims } });
  await testbed.store('traced', 1);
  await client.subscribe('traced');
  client.ws.send({ event: 'by-socket', channel: 'traced' });
  expect((await client.call('publishMessage', { channel: 'traced', event: 'by-http' })).status).toBe(202);
  await client.list({ channel: 'traced' });

  await eventually(() => {
    // `testbed.store` publishes a mark behind its messages, and looks until that is there.
    expect(named(spansOf('publish-api'), 'publish')).toMatchObject(Array(2).fill({ status: 'ok', parentSpanId: null }));
    expect(named(spansOf('gateway'), 'client.publish')).toHaveLength(2);
    const history = spansOf('history');
    const root = named(history, 'history.listMessages').at(-1);
    const { traceId, spanId } = root ?? {};
    for (const step of ['history.gateway', 'history.read']) {
      expect(named(history, step).filter((span) => span.traceId === traceId)).toMatchObject([
        { parentSpanId: spanId, status: 'ok' },
      ]);
    }
  });
});

it('tells of what failed that it did', async () => {
  const client = await testbed.connect({ uid: 'u1', channels: { closed: {} } });
  expect((await client.call('listMessages', { channel: 'closed' })).status).toBe(403);
  await eventually(() => {
    const failed = spansOf('history').filter(({ status }) => status === 'error');
    expect(failed.map(({ spanName }) => spanName).sort()).toEqual(['history.gateway', 'history.listMessages']);
  });
});

it('at DEBUG tells what was published, with its data, and even then no secret', async () => {
  const client = await testbed.connect({ channels: { open: { messages: { '*': { broadcast: true } } } } });
  await testbed.publish({ channel: 'open', event: 'e', data: 'payload-of-a-backend' });
  const sent = await client.call('publishMessage', { channel: 'open', event: 'e', data: 'payload-of-a-client' });
  expect(sent.status).toBe(202);
  await eventually(() => {
    const output = testbed.apps.flatMap(({ lines }) => lines).join('\n');
    expect(output).toContain('payload-of-a-backend');
    expect(output).toContain('payload-of-a-client');
    expect(output).not.toContain(client.secret);
  });
});
