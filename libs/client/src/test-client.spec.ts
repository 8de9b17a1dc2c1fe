import { ClosedError, HearthClient, HistoryError, PublishError, StorageError, type Gap } from './index';
import * as stores from './svelte';
import { createTestClient } from './test';

/** Nothing here waits for anything: what the test double does has been done when it returns (client-library §9). */
describe('a client for tests', () => {
  it('is a HearthClient that is connected, as whom it is told', () => {
    const client = createTestClient({ uid: 'u1', umd: { n: 1 } });
    expect(client).toBeInstanceOf(HearthClient);
    expect([client.state, client.activeConnection.uid, client.activeConnection.umd]).toEqual([
      'connected',
      'u1',
      { n: 1 },
    ]);
  });

  it('hears what is emitted at once, and says what it sent', () => {
    const client = createTestClient();
    const heard: unknown[] = [];
    const channel = client.channel('c');
    channel.on('e', ({ data, meta }) => heard.push([data, meta]));
    expect(channel.state).toBe('subscribed');
    client.server.emit('c', 'e', 1, { meta: { uid: 'x', umd: null } });
    client.server.emit('other', 'e', 2);
    client.bind('e', ({ data }) => heard.push(data), { channel: 'other' });
    client.server.emit('other', 'e', 3);
    expect(heard).toEqual([[1, { uid: 'x', umd: null }], 3]);
    expect(client.server.sent).toEqual([
      { event: 'hotsock.subscribe', channel: 'c', data: { resume: true } },
      { event: 'hotsock.subscribe', channel: 'other', data: { resume: true } },
    ]);
  });

  it('sends again after it was terminated while it was too fast', async () => {
    const client = createTestClient();
    const refused = client.channel('c').publish('e', 1);
    client.server.reject(client.server.sent[0]?.ref ?? '', 'RATE_LIMITED');
    client.terminate();
    await expect(refused).rejects.toThrow(ClosedError);
    await client.connect();
    const sent = client.channel('c').publish('e', 2);
    client.server.accept();
    await expect(sent).resolves.toMatchObject({ id: expect.any(String) });
  });

  it('unbinds all functions of an event for `null`, as the official client does', () => {
    const client = createTestClient();
    const heard: unknown[] = [];
    for (const channel of ['c', undefined]) {
      client.bind('e', ({ data }) => heard.push([channel, data]), { channel });
      client.unbind('e', { messageFn: null, channel });
    }
    client.channel('c').hold();
    client.server.emit('c', 'e', 1);
    expect(heard).toEqual([]);
  });

  it('settles messages when it is told to', async () => {
    const client = createTestClient();
    const [one, two, three] = [1, 2, 3].map((n) => client.channel('c').publish('e', n));
    const [first, second] = client.server.sent;
    client.server.reject(first?.ref ?? '', 'NO', 'why');
    client.server.accept(second?.ref);
    client.server.accept();
    await expect(one).rejects.toMatchObject({ name: 'PublishError', code: 'NO', message: 'why' });
    await expect(one).rejects.toThrow(PublishError);
    expect(await Promise.all([two, three])).toEqual([
      { ref: second?.ref, id: expect.any(String), position: expect.any(String) },
      expect.objectContaining({ id: expect.any(String) }),
    ]);
  });

  it('is dropped and let in again; what was on its way is sent again', async () => {
    const client = createTestClient();
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const { state } = client.channel('c');
    client.channel('c').hold();
    const sent = client.channel('c').publish('e', 1);
    client.server.drop(1012);
    expect([state, client.state, client.channel('c').state]).toEqual(['idle', 'reconnecting', 'subscribing']);
    client.server.accept();
    client.server.accept();
    expect(states).toEqual(['reconnecting', 'connected']);
    expect((await sent).id).toEqual(expect.any(String));
    expect(client.server.sent.filter(({ event }) => event === 'e').map(({ ref }) => ref)).toHaveLength(2);
    const refused = client.connect();
    client.server.drop(4403);
    client.server.accept();
    await refused;
    client.terminate();
    expect(client.state).toBe('closed');
  });

  it('has members, storage and holes', async () => {
    const client = createTestClient({ uid: 'me' });
    const room = client.channel('presence.c');
    const story: unknown[] = [];
    room.onGap((gap: Gap) => story.push(gap.reason));
    room.presence.on('join', ({ uid }) => story.push(`+${uid}`));
    room.presence.on('leave', ({ uid }) => story.push(`-${uid}`));
    room.presence.on('update', ({ uid, umd }) => story.push([uid, umd]));
    client.server.join('presence.c', { uid: 'a' });
    client.server.join('presence.c', 'a', 1);
    client.server.leave('presence.c', 'a');
    client.server.gap('presence.c');
    expect(story).toEqual(['+a', ['a', 1], '-a', 'missed']);
    expect(room.presence.members.map(({ uid }) => uid)).toEqual(['me']);
    client.server.store('presence.c', 'k', 1);
    room.storage.subscribe(() => undefined);
    expect([room.storage.get('k'), room.storage.synced]).toEqual([1, true]);
    const refused = room.storage.set('k', 2);
    expect(room.storage.get('k')).toBe(2);
    client.server.reject(client.server.sent.at(-1)?.ref ?? '', 'STORAGE_PERMISSION_DENIED');
    await expect(refused).rejects.toThrow(StorageError);
    expect(room.storage.get('k')).toBe(1);
  });

  it('has history of what was emitted, live too, until it is terminated', async () => {
    const client = createTestClient();
    for (const n of [1, 2, 3]) client.server.emit('c', 'e', n);
    const heard: unknown[] = [];
    const live = (async () => {
      for await (const { data } of client.channel('c').history({ live: true })) {
        heard.push(data);
        if (data === 3) client.server.emit('c', 'e', 4);
        if (data === 4) client.terminate();
      }
    })();
    await expect(live).rejects.toThrow(ClosedError);
    expect(heard).toEqual([1, 2, 3, 4]);
  });
});

describe('stores for Svelte (§8)', () => {
  it('tell what is, and what changes', () => {
    const client = createTestClient({ uid: 'me' });
    const told: unknown[] = [];
    const offs = [
      stores.connection(client).subscribe(({ state }) => told.push(state)),
      stores.presence(client.channel('presence.c')).subscribe(({ members }) => told.push(members.length)),
      stores.event(client.channel('presence.c'), 'e').subscribe((message) => told.push(message?.data ?? 'none')),
    ];
    client.server.emit('presence.c', 'e', 'hi');
    client.server.join('presence.c', 'a');
    client.server.drop();
    expect(told).toEqual(expect.arrayContaining(['connected', 0, 1, 'none', 'hi', 2, 'reconnecting']));
    for (const off of offs) off();
    const count = told.length;
    client.server.accept();
    expect(told).toHaveLength(count);
  });

  it('set values, and show history', async () => {
    const client = createTestClient();
    const topic = stores.storage(client.channel('c'), 'topic');
    const values: unknown[] = [];
    topic.subscribe((value) => values.push(value));
    const done = topic.set('new');
    client.server.accept();
    await done;
    expect([values[0], values.at(-1)]).toEqual([undefined, 'new']);
    for (const n of [1, 2, 3]) client.server.emit('c', 'e', n);
    const past = stores.history(client.channel('c'), { limit: 2 });
    let shown: unknown[] = [];
    const off = past.subscribe(({ messages, status }) => (shown = [status, ...messages.map(({ data }) => data)]));
    while (shown[0] !== 'ready') await new Promise((resolve) => setTimeout(resolve, 1));
    expect(shown).toEqual(['ready', 2, 3]);
    client.server.emit('c', 'e', 4);
    expect(shown).toEqual(['ready', 2, 3, 4]);
    await past.loadOlder();
    expect(shown).toEqual(['ready', 1, 2, 3, 4]);
    off();
  });
});

it.each([undefined, null, 5, NaN, {}])('hears nothing for what is no event, and everybody else does: %p', (event) => {
  const client = createTestClient();
  const heard: unknown[] = [];
  const binding = client.bind(event as never, () => heard.push('nothing'));
  client.bind('chat', ({ data }) => heard.push(data), { channel: 'c' });
  client.server.emit('c', 'chat', 'hi');
  binding.unbind();
  client.unbind('other');
  expect(heard).toEqual(['hi']);
});

it('takes null for options that are not given', async () => {
  const client = createTestClient();
  const channel = client.channel('c', null as never);
  const published = channel.publish('chat', 'hi', null as never);
  channel.hold();
  client.server.accept();
  expect(await published).toMatchObject({ id: expect.any(String) });
  for await (const message of channel.history(null as never)) throw new Error(`not stored: ${message.id}`);
});

it('a list of history begins anew where messages were missed, so that it has no hole', async () => {
  const client = createTestClient();
  for (const data of [1, 2]) client.server.emit('c', 'chat', data);
  let shown: unknown[] = [];
  const off = stores
    .history(client.channel('c'))
    .subscribe(({ messages }) => (shown = messages.map(({ data }) => data)));
  await new Promise(setImmediate);
  client.server.emit('c', 'chat', 3);
  expect(shown).toEqual([1, 2, 3]);
  client.server.drop();
  client.server.emit('c', 'chat', 4);
  client.server.accept();
  client.server.gap('c');
  client.server.emit('c', 'chat', 5);
  await new Promise(setImmediate);
  expect(shown).toEqual([1, 2, 3, 4, 5]);
  off();
});

/** A list of history of `c` that is looked at, and its pages. */
function shownList() {
  const client = createTestClient();
  const pages = jest.spyOn(client as HearthClient, 'list');
  const states: { status: string; messages: readonly unknown[] }[] = [];
  const off = stores
    .history(client.channel('c'))
    .subscribe(({ status, messages }) => states.push({ status, messages: messages.map(({ data }) => data) }));
  return { client, pages, off, shown: () => states.at(-1) };
}
const page = (...data: number[]) =>
  data.reverse().map((one) => ({ id: `01TEST${one}`, event: 'e', data: one })) as never[];

it('a list of history that could not be loaded after a hole says so until it could', async () => {
  const { client, pages, off, shown } = shownList();
  await new Promise(setImmediate);
  client.server.emit('c', 'e', 1);
  pages.mockRejectedValueOnce(new HistoryError('no'));
  client.server.gap('c');
  await new Promise(setImmediate);
  client.server.emit('c', 'e', 3);
  expect(shown()).toEqual({ status: 'failed', messages: [1, 3] });
  client.server.drop();
  client.server.emit('c', 'e', 4);
  client.server.accept();
  await new Promise(setImmediate);
  expect(shown()).toEqual({ status: 'ready', messages: [1, 3, 4] });
  off();
});

it('a list of history that could not be loaded for now is loaded later', async () => {
  jest.useFakeTimers();
  const { client, pages, off, shown } = shownList();
  await jest.advanceTimersByTimeAsync(1);
  for (let n = 0; n < 5; n++) pages.mockRejectedValueOnce(new HistoryError('no', { retryable: true }));
  client.server.gap('c');
  await jest.advanceTimersByTimeAsync(6_000);
  client.server.emit('c', 'e', 1);
  expect(shown()).toEqual({ status: 'failed', messages: [1] });
  await jest.advanceTimersByTimeAsync(5_000);
  expect(shown()).toEqual({ status: 'ready', messages: [1] });
  off();
  jest.useRealTimers();
});

it('a list of history is loaded once more for all holes that come while it is, and loses nothing that comes', async () => {
  const { client, pages, off, shown } = shownList();
  await new Promise(setImmediate);
  let answer: (page: readonly never[]) => void = () => undefined;
  pages.mockClear();
  pages.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  client.server.gap('c');
  await new Promise(setImmediate);
  client.server.emit('c', 'e', 7, { id: '01TEST7' });
  for (let n = 0; n < 3; n++) client.server.gap('c');
  pages
    .mockResolvedValueOnce([])
    .mockResolvedValueOnce(page(1, 2, 3))
    .mockResolvedValueOnce([]);
  await new Promise(setImmediate);
  expect(pages).toHaveBeenCalledTimes(1);
  answer(page(1, 2));
  await new Promise(setImmediate);
  expect([pages.mock.calls.length, shown()]).toEqual([4, { status: 'ready', messages: [1, 2, 3, 7] }]);
  off();
});

it('a list of history that is left while it is loaded ends that, keeps no channel and does nothing afterwards', async () => {
  jest.useFakeTimers();
  const { client, pages, off } = shownList();
  await jest.advanceTimersByTimeAsync(1_000);
  const refusals: ((error: Error) => void)[] = [];
  pages.mockClear().mockImplementation(() => new Promise((_, reject) => refusals.push(reject)));
  client.server.gap('c');
  const older = stores.history(client.channel('c')).loadOlder();
  await jest.advanceTimersByTimeAsync(1);
  // What is kept for a moment is let go.
  jest.spyOn(client as HearthClient, 'later').mockImplementation((call) => (call(), () => undefined));
  off();
  await jest.advanceTimersByTimeAsync(1_000);
  expect(client.server.sent.at(-1)).toEqual({ event: 'hotsock.unsubscribe', channel: 'c' });
  expect(pages.mock.calls.map(([, , signal]) => signal?.aborted)).toEqual([true, true]);
  await older;
  for (const refuse of refusals) refuse(new HistoryError('no', { retryable: true }));
  await jest.advanceTimersByTimeAsync(0);
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});
