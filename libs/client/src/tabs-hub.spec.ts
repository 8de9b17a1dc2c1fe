import { CopyMemory } from './tabs-channel';
import { Hub } from './tabs-hub';
import { shareSocket, type ToTabs } from './tabs';
import type { Socket } from './types';

/** What tabs of one origin have in common. */
function rememberingBrowser(): void {
  const values = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: localStorage, configurable: true });
}
rememberingBrowser();
beforeEach(rememberingBrowser);

/** A hub of the tab `L`, which has subscribed `c`, and what it says. */
function start() {
  const asked: unknown[] = [];
  const said: {
    readonly to: string;
    readonly frame: { readonly id?: string; readonly event?: string; readonly data?: unknown };
  }[] = [];
  const socket = { send: (text: string) => asked.push(JSON.parse(text)), close: () => undefined } as unknown as Socket;
  const say = ({ to = [], text }: ToTabs): void => {
    if (text !== undefined) said.push(...to.map((tab) => ({ to: tab, frame: JSON.parse(text) as object })));
  };
  const hub = new Hub(socket, say, 'L', () => undefined, new CopyMemory('x'));
  const server = (frame: object) => socket.onmessage?.({ data: JSON.stringify(frame) } as never);
  const message = (id: string) => server({ id, event: 'e', channel: 'c', data: null });
  const send = (from: string, frame: object) => hub.take({ from, text: JSON.stringify({ channel: 'c', ...frame }) });
  const come = (from: string, resume: object | true) => {
    hub.take({ from, url: 'ws://x' });
    send(from, { event: 'hotsock.subscribe', data: { resume } });
  };
  const subscribed = (resume: object) => {
    server({ event: 'hotsock.subscribed', channel: 'c', data: { resume } });
    server({ event: 'hotsock.channelStorageSynced', channel: 'c', data: {} });
  };
  /** What another tab publishes without `echo`. */
  const publish = (id: string) => {
    send('L', { event: 'e', data: null, ref: id });
    server({ event: 'hotsock.published', channel: 'c', ref: id, data: { id } });
  };
  /** One is on its way when something happens. */
  const begin = (id: string) => send('L', { event: 'e', data: null, ref: id });
  const given = (tab: string) => said.filter(({ to }) => to === tab).map(({ frame }) => frame.id ?? frame.data);
  server({ event: 'hotsock.connected', data: {} });
  come('L', true);
  subscribed({ token: 'T' });
  const events = (tab: string) => said.filter(({ to }) => to === tab).map(({ frame }) => frame.event);
  return { asked, hub, socket, events, server, send, message, come, subscribed, publish, begin, given };
}

const joined = (resume: object) => [undefined, { resume }, {}];

describe('a tab that is reloaded', () => {
  it('has missed nothing where nothing has come', () => {
    const { come, given } = start();
    come('A', { token: 'T' });
    expect(given('A').slice(1)).toEqual(joined({ complete: true, token: 'T' }).slice(1));
  });

  it('is not given what was published before it came for the first time', () => {
    const { come, publish, given } = start();
    publish('5');
    come('A', true);
    expect(given('A').slice(1)).toEqual(joined({ token: 'T', copy: '5' }).slice(1));
    publish('6');
    come('B', { token: 'T', copy: '5' });
    expect(given('B').slice(1)).toEqual([{ resume: { complete: true, token: 'T' } }, '6', {}]);
  });

  it('is not given again what it had before it got a copy, while another one catches up', () => {
    const { asked, hub, server, message, come, subscribed, publish, given } = start();
    come('A', true);
    for (const id of ['2', '3']) message(id);
    come('B', { after: '1', token: '0' });
    expect(asked.at(-1)).toMatchObject({ data: { resume: { after: '1' } } });
    server({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
    subscribed({ complete: true, token: 'T' });
    message('2');
    publish('9');
    hub.take({ from: 'A', isOver: true });
    come('C', { after: '3', token: 'T', copy: '9' });
    message('3');
    message('4');
    hub.stop();
    expect([given('B').slice(1), given('C').slice(1)]).toEqual([
      [{ resume: { complete: true, token: 'T' } }, {}, '2', '9', '3', '4'],
      [{ resume: { complete: true, token: 'T' } }, {}, '4'],
    ]);
  });
});

describe('what another tab published without echo', () => {
  it('comes to who was reloaded, though the channel was subscribed again meanwhile', () => {
    const { server, message, come, subscribed, publish, given } = start();
    for (const id of ['2', '3']) message(id);
    publish('9');
    message('4');
    // One that is behind has all of it sent again, and the copy where it was.
    come('B', { after: '1', token: '0' });
    server({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
    server({ event: 'hotsock.subscribed', channel: 'c', data: { resume: { complete: true, token: 'T' } } });
    for (const id of ['2', '3', '4']) message(id);
    server({ event: 'hotsock.channelStorageSynced', channel: 'c', data: {} });
    come('C', { after: '3', token: 'T' });
    expect([given('B').slice(1), given('C').slice(1)]).toEqual([
      [{ resume: { complete: true, token: 'T' } }, '2', '3', '9', '4', {}],
      [{ resume: { complete: true, token: 'T' } }, '9', '4', {}],
    ]);
    subscribed({ complete: true, token: 'T' });
  });

  it('and is echoed behind that moves those on who have had it, and is shown to nobody twice', () => {
    const { events, server, come, publish, given } = start();
    come('A', true);
    publish('5');
    come('C', { token: 'T', copy: '5' });
    server({ id: '5', event: 'e', channel: 'c', data: null });
    expect(given('C').slice(2)).toEqual([{}, '5']);
    expect([events('A').at(-1), events('C').at(-1), events('L').at(-1)]).toEqual([undefined, undefined, 'e']);
    expect(given('L').filter((id) => id === '5')).toHaveLength(1);
  });

  it('is said once, though who was away when it was answered sends it again', () => {
    const { come, publish, given } = start();
    come('A', true);
    for (const id of ['5', '6', '5']) publish(id);
    come('B', { token: 'T', copy: '5' });
    expect([given('A').slice(3), given('B').slice(2)]).toEqual([
      ['5', '6'],
      ['6', {}],
    ]);
  });

  it('is told as a gap to who was away when it was said, and to nobody else', () => {
    const first = start();
    first.come('A', true);
    first.message('2');
    first.hub.take({ from: 'A', isOver: true });
    first.publish('5');
    first.hub.stop();
    const second = start();
    second.message('3');
    second.come('A', { after: '3', token: 'T' });
    second.come('B', { after: '3', token: 'T', copy: '5' });
    expect(second.given('A').slice(1)).toEqual(joined({ complete: false, token: 'T', after: '3', copy: '5' }).slice(1));
    expect(second.given('B').slice(1)).toEqual(joined({ complete: true, token: 'T' }).slice(1));
  });

  it('is told as a gap when nobody knows what became of it', () => {
    const first = start();
    first.begin('7');
    first.hub.stop();
    const second = start();
    second.come('A', { token: 'T' });
    expect(second.given('A')[1]).toMatchObject({ resume: { complete: false } });
  });

  it('is no gap when its tab goes on and has it sent again', () => {
    const first = start();
    first.begin('7');
    first.socket.onclose?.({ code: 1006 } as never);
    const second = start();
    second.come('A', { token: 'T' });
    expect(second.given('A')[1]).toMatchObject({ resume: { complete: true } });
  });
});

it('has members come anew from the server after a hole, not what it knew, once for all tabs', () => {
  const { asked, server, come, subscribed, hub, given } = start();
  come('A', true);
  const count = asked.length;
  server({ event: 'hotsock.messagesMissed', channel: 'c', data: { after: null, before: null } });
  for (const tab of ['A', 'L']) {
    hub.take({ from: tab, text: JSON.stringify({ event: 'hotsock.unsubscribe', channel: 'c' }) });
    hub.take({
      from: tab,
      text: JSON.stringify({ event: 'hotsock.subscribe', channel: 'c', data: { resume: { token: 'T' } } }),
    });
  }
  expect(asked.slice(count)).toMatchObject([{ event: 'hotsock.unsubscribe' }, { event: 'hotsock.subscribe' }]);
  server({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
  subscribed({ complete: false, token: 'U' });
  for (const tab of ['A', 'L'])
    expect(given(tab)).toContainEqual(expect.objectContaining({ resume: expect.objectContaining({ token: 'U' }) }));
});

it('keeps what nobody had to ask for when somebody asks where its entries end, also for tabs that come later', () => {
  const { asked, server, send, hub, given, events } = start();
  const auto = { event: 'hotsock.subscribed', channel: 'auto', data: { autoSubscribed: true } };
  server(auto);
  const sent = asked.length;
  send('L', { event: 'hotsock.unsubscribe', channel: 'auto' });
  send('L', { event: 'hotsock.subscribe', channel: 'auto', data: { storage: true } });
  expect(asked.slice(sent)).toEqual([
    { event: 'hotsock.unsubscribe', channel: 'auto' },
    { event: 'hotsock.subscribe', channel: 'auto', data: { storage: true } },
  ]);
  server({ event: 'hotsock.unsubscribed', channel: 'auto', data: {} });
  server({ ...auto, data: { members: [{ uid: 'b', umd: null }] } });
  expect(given('L').at(-1)).toEqual({ autoSubscribed: true, members: [{ uid: 'b', umd: null }] });
  hub.take({ from: 'A', url: 'ws://x' });
  expect(given('A').at(-1)).toMatchObject({ autoSubscribed: true });
  server({ event: 'hotsock.channelStorageSynced', channel: 'auto', data: {} });
  send('A', { event: 'hotsock.unsubscribe', channel: 'auto' });
  send('A', { event: 'hotsock.subscribe', channel: 'auto', data: { storage: true } });
  expect(events('A').slice(-3)).toEqual(['hotsock.unsubscribed', 'hotsock.subscribed', 'hotsock.channelStorageSynced']);
  const count = asked.length;
  for (const tab of ['L', 'A']) send(tab, { event: 'hotsock.unsubscribe', channel: 'auto' });
  expect(asked).toHaveLength(count);
});

it('has each tab know where the entries end of what nobody had to ask for, once the connection asked: the server is not', () => {
  const { asked, server, send, hub, events } = start();
  const resume = { token: 'T' };
  server({ event: 'hotsock.subscribed', channel: 'auto', data: { autoSubscribed: true, resume, storage: true } });
  server({ event: 'hotsock.channelStorageUpdated', channel: 'auto', key: 'k', data: 1 });
  hub.take({ from: 'A', url: 'ws://x' });
  server({ event: 'hotsock.channelStorageSynced', channel: 'auto', data: {} });
  const all = ['hotsock.subscribed', 'hotsock.channelStorageUpdated', 'hotsock.channelStorageSynced'];
  expect(events('A').slice(-3)).toEqual(all);
  const sent = asked.length;
  send('A', { event: 'hotsock.unsubscribe', channel: 'auto' });
  send('A', { event: 'hotsock.subscribe', channel: 'auto', data: { storage: true } });
  expect(events('A').slice(-3)).toEqual(all);
  expect(asked).toHaveLength(sent);
});

it.each([
  ['9', [{}]],
  ['8', [{}, '9']],
])('who cannot go on from its point is told which copies it has had (%s)', (copy, rest) => {
  const { server, message, come, subscribed, publish, given } = start();
  message('2');
  for (const id of ['8', '9']) publish(id);
  come('A', { after: '1', token: '0', copy });
  server({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
  subscribed({ complete: false, token: 'U', after: '3' });
  expect(given('A').slice(1)).toEqual([{ resume: { complete: false, token: 'U', after: '3', copy } }, ...rest]);
});

describe('what is remembered of copies', () => {
  const stored = () =>
    (globalThis as unknown as { localStorage: { setItem(key: string, value: string): void } }).localStorage;

  it.each(['null', '1', '{', '{"c":"5"}', '[1]'])('is nothing where %s is stored', (text) => {
    stored().setItem('x', text);
    const memory = new CopyMemory('x');
    expect([memory.isThere, memory.last('c'), memory.last('constructor')]).toEqual([true, undefined, undefined]);
  });

  it('is stored at once when something begins, and once for what is settled', () => {
    jest.useFakeTimers();
    const set = jest.spyOn(stored(), 'setItem');
    const memory = new CopyMemory('x');
    for (const id of ['1', '2', '3']) {
      memory.begin('c', `ref-${id}`);
      memory.settle('c', id);
    }
    expect(set).toHaveBeenCalledTimes(1);
    expect(new CopyMemory('x').last('c')).toBe('ref-1');
    memory.flush();
    expect([set.mock.calls.length, new CopyMemory('x').last('c')]).toEqual([2, '3']);
    // Another tab's: when this is known nothing else says that there was one.
    memory.settle('c', '4');
    expect(new CopyMemory('x').last('c')).toBe('4');
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it('is forgotten of the channel that was not spoken in for longest', () => {
    const memory = new CopyMemory('x');
    for (let n = 0; n < 1_000; n++) memory.settle(`c${n}`, '1');
    memory.settle('c0', '2');
    memory.settle('new', '1');
    const next = new CopyMemory('x');
    expect([next.last('c0'), next.last('c1'), next.last('new')]).toEqual(['2', undefined, '1']);
  });
});

it('a frame that is no JSON is told to all tabs, and harms nobody', () => {
  const { socket, hub } = start();
  const said: unknown[] = [];
  Object.assign(hub, { say: (message: unknown) => said.push(message) });
  for (const data of ['{', 'null']) socket.onmessage?.({ data } as never);
  expect(said).toEqual([{ text: '{' }, { text: 'null' }]);
});

it('a tab has its own connection where locks are refused', async () => {
  jest.useFakeTimers();
  const locks = { request: () => Promise.reject(new Error('no storage here')) };
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
  const open = jest.fn(() => ({}) as Socket);
  shareSocket('tabs', 'ws://x', open);
  await jest.advanceTimersByTimeAsync(2_000);
  expect(open).toHaveBeenCalledTimes(1);
  jest.useRealTimers();
});
