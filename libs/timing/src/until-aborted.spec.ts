import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { untilAborted } from './until-aborted';

const never = new Promise<void>(() => undefined);

describe('a wait until a signal is aborted', () => {
  it('ends with what is waited for, and fails with it', async () => {
    const { signal } = new AbortController();
    await untilAborted(signal, turn());
    await expect(untilAborted(signal, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('ends with the signal, also with one that was aborted before', async () => {
    const controller = new AbortController();
    const waiting = untilAborted(controller.signal, never);
    controller.abort();
    await waiting;
    await untilAborted(controller.signal, never);
    // Nobody hears of it.
    await untilAborted(
      controller.signal,
      turn().then(() => Promise.reject(new Error('no'))),
    );
    await turn();
  });

  it('gives what is waited for the least time that it was promised', async () => {
    let isDone = false;
    await untilAborted(
      AbortSignal.abort(),
      delay(50).then(() => (isDone = true)),
      60_000,
    );
    expect(isDone).toBe(true);
    await untilAborted(AbortSignal.abort(), never, 20);
  });
});
