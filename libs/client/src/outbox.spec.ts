import { postMessage } from './http';
import { PublishUncertainError } from './errors';
import { Outbox, type OutboxHost } from './outbox';

it('does not say that a message was not sent while it is being posted', async () => {
  jest.useFakeTimers();
  const later = (call: () => void, ms: number) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  };
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
  jest.useRealTimers();
});

it('goes on with the next message when one that is posted is not answered', async () => {
  jest.useFakeTimers();
  const later = (call: () => void, ms: number) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  };
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
  jest.useRealTimers();
});
