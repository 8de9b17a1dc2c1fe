import { postMessage } from './http';
import { PublishUncertainError } from './errors';
import { Outbox, type OutboxHost } from './outbox';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const later = (call: () => void, ms: number) => {
  const timer = setTimeout(call, ms);
  return () => clearTimeout(timer);
};

it('does not say that a message was not sent while it is being posted', async () => {
  // It is there, and knows no refs.
  const connection = { isOpen: true, heardAtMs: Infinity, sendMessage: () => undefined };
  const outbox = new Outbox({
    ...{ later, ready: () => connection as never, maySend: () => true, uid: () => 'u' },
    post: () => new Promise(() => undefined),
  } satisfies OutboxHost);
  const overSocket = expect(outbox.add('c', { event: 'e' })).rejects.toThrow(PublishUncertainError);
  await jest.advanceTimersByTimeAsync(5_000);
  await overSocket;
  const posted = expect(outbox.add('c', { event: 'e' })).rejects.toThrow(PublishUncertainError);
  await jest.advanceTimersByTimeAsync(30_000);
  await posted;
});

it('goes on with the next message when one that is posted is not answered', async () => {
  const connection = { isOpen: true, heardAtMs: Infinity, sendMessage: () => undefined };
  let isSilent = true;
  const target = {
    ...{ base: 'http://x', connectionId: 'c', connectionSecret: 's' },
    fetch: () =>
      isSilent
        ? new Promise<never>(() => undefined)
        : Promise.resolve({ ok: true, status: 200, json: async () => ({ id: '1' }) }),
  };
  const outbox = new Outbox({
    ...{ later, ready: () => connection as never, maySend: () => true, uid: () => 'u' },
    post: (frame, refusal) => postMessage(target, frame, refusal),
  });
  outbox.add('c', { event: 'e' }).catch(() => undefined);
  await jest.advanceTimersByTimeAsync(5_000);
  const uncertain = expect(outbox.add('c', { event: 'e' })).rejects.toThrow(PublishUncertainError);
  const next = outbox.add('c', { event: 'e' });
  await jest.advanceTimersByTimeAsync(1);
  isSilent = false;
  await jest.advanceTimersByTimeAsync(15_000);
  await uncertain;
  expect(await next).toMatchObject({ id: '1' });
});

/** What a promise fails with. */
const failure = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

it('goes over the socket again as soon as a ref is answered, behind what is being posted', async () => {
  const story: string[] = [];
  const refs: string[] = [];
  const sendMessage = (text: string) => {
    const { ref, data } = JSON.parse(text) as { ref: string; data: string };
    refs.push(ref);
    story.push(`sent ${data}`);
  };
  const connection = { isOpen: true, heardAtMs: Infinity, sendMessage };
  const posts: (() => void)[] = [];
  const outbox = new Outbox({
    ...{ later, ready: () => connection as never, maySend: () => true, uid: () => 'u' },
    post: (frame) => {
      story.push(`posted ${(frame as { data: string }).data}`);
      return new Promise((resolve) => posts.push(() => resolve({ id: '1' })));
    },
  });
  const add = (data: string) => outbox.add('c', { event: 'e', data });
  const late = failure(add('a'));
  await jest.advanceTimersByTimeAsync(5_000);
  expect(await late).toBeInstanceOf(PublishUncertainError);
  const all = [add('b'), add('c')];
  outbox.answered({ event: 'hotsock.published', ref: refs[0], data: {} });
  expect(story).toEqual(['sent a', 'posted b']);
  posts[0]?.();
  await all[0];
  await jest.advanceTimersByTimeAsync(0);
  expect(story).toEqual(['sent a', 'posted b', 'sent c']);
  // From here on it is known: however long an answer takes.
  await jest.advanceTimersByTimeAsync(10_000);
  outbox.answered({ event: 'hotsock.published', ref: refs[1], data: {} });
  await all[1];
});

it('tries the next connection, with one message', async () => {
  const open = () => ({ isOpen: true, heardAtMs: Infinity, sendMessage: jest.fn() });
  let connection = open();
  const post = jest.fn(async () => ({ id: '1' }));
  const outbox = new Outbox({ later, ready: () => connection as never, maySend: () => true, uid: () => 'u', post });
  const add = () => outbox.add('c', { event: 'e' });
  const both = [failure(add()), failure(add())];
  await jest.advanceTimersByTimeAsync(5_000);
  for (const one of both) expect(await one).toBeInstanceOf(PublishUncertainError);
  await add();
  outbox.cut(connection as never);
  connection = open();
  const [first, second] = [failure(add()), add()];
  expect([connection.sendMessage.mock.calls.length, post.mock.calls.length]).toEqual([1, 1]);
  await jest.advanceTimersByTimeAsync(5_000);
  expect(await first).toBeInstanceOf(PublishUncertainError);
  expect(await second).toMatchObject({ id: '1' });
  expect(post).toHaveBeenCalledTimes(2);
});

it('judges the silence of the connection that a message is on, not of the one that it was on before', async () => {
  const open = () => ({ isOpen: true, heardAtMs: Infinity, sendMessage: jest.fn() });
  let connection = open();
  const post = () => Promise.reject(new Error('posted'));
  const outbox = new Outbox({ later, ready: () => connection as never, maySend: () => true, uid: () => 'u', post });
  const sent = failure(outbox.add('c', { event: 'e' }));
  await jest.advanceTimersByTimeAsync(4_000);
  outbox.cut(connection as never);
  connection = open();
  outbox.flush();
  await jest.advanceTimersByTimeAsync(4_000);
  const [[text = '']] = connection.sendMessage.mock.calls as [[string]];
  const { ref } = JSON.parse(text) as { ref: string };
  outbox.answered({ event: 'hotsock.published', ref, data: { id: '1' } as never });
  expect(await sent).toMatchObject({ id: '1' });
});
