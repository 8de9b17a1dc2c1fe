import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { bodyInTurn, inOrder } from './call-order';

const LARGE = 200_000;
let [one, other]: Socket[] = [];
let begun: string[];
beforeEach(async () => {
  [one, other] = [{}, {}] as Socket[];
  begun = [];
  await turn();
});

function bring(socket: Socket | undefined, name: string, bytes: number): void {
  const body = bodyInTurn(socket as Socket, Buffer.alloc(bytes));
  if (Buffer.isBuffer(body)) begun.push(name);
  else void body.then(() => begun.push(name));
}

it('large bodies are parsed one in a turn of the event loop, small ones at once', async () => {
  bring(one, 'large', LARGE);
  bring(other, 'another', LARGE);
  bring({} as Socket, 'small', 100);
  expect(begun).toEqual(['large', 'small']);
  await turn();
  expect(begun).toEqual(['large', 'small', 'another']);
});

it('what comes behind a body that waits, on its connection, keeps behind it', async () => {
  bring(other, 'before', LARGE);
  for (const [n, bytes] of [LARGE, 100, LARGE, 100].entries()) bring(one, String(n), bytes);
  expect(begun).toEqual(['before']);
  await turn();
  expect(begun).toEqual(['before', '0', '1']);
  await turn();
  await turn();
  expect(begun).toEqual(['before', '0', '1', '2', '3']);
  bring(one, 'later', 100);
  expect(begun.at(-1)).toBe('later');
});

it('what comes behind a call that is read in several turns is read after whoever awaited that has gone on', async () => {
  const calls = [
    async () => {
      for (let n = 0; n < 3; n++) await turn();
      return 'first';
    },
    async () => Promise.reject(new Error('unreadable')),
    () => 'third',
  ].map(async (read) => begun.push(await inOrder(one as Socket, 1, read)));
  await expect(calls[1]).rejects.toThrow('unreadable');
  await Promise.allSettled(calls);
  expect(begun).toEqual(['first', 'third']);
  expect(inOrder(one as Socket, 1, () => 'at once')).toBe('at once');
});
