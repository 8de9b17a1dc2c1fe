import { Hub } from './tabs-hub';
import { shareSocket, type ToTabs } from './tabs';
import type { Socket } from './types';

/** A hub of the tab `L`, which has subscribed `c`, and what it says. */
function start() {
  const asked: unknown[] = [];
  const said: { readonly to: string; readonly frame: { readonly id?: string; readonly data?: unknown } }[] = [];
  const socket = { send: (text: string) => asked.push(JSON.parse(text)), close: () => undefined } as unknown as Socket;
  const say = ({ to = [], text }: ToTabs): void => {
    if (text !== undefined) said.push(...to.map((tab) => ({ to: tab, frame: JSON.parse(text) as object })));
  };
  const hub = new Hub(socket, say, 'L', () => undefined);
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
  const given = (tab: string) => said.filter(({ to }) => to === tab).map(({ frame }) => frame.id ?? frame.data);
  server({ event: 'hotsock.connected', data: {} });
  come('L', true);
  subscribed({ token: 'T' });
  return { asked, hub, server, message, come, subscribed, publish, given };
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
