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
