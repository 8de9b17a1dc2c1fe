import { HistoryError, PublishError } from './errors';
import { historyPage, postMessage } from './http';
import type { ClientOptions } from './types';

type Fetch = NonNullable<ClientOptions['fetch']>;
const target = (fetch: Fetch) => ({ base: 'http://x', connectionId: 'c', connectionSecret: 's', fetch });

/** A server that sends its answer in parts, one each so many ms; the last one may never come. */
function slowly(parts: readonly string[], ms: number) {
  const signals: (AbortSignal | undefined)[] = [];
  const wait = () => new Promise((resolve) => setTimeout(resolve, ms));
  const fetch: Fetch = async (_, { signal }) => {
    signals.push(signal);
    const rest = [...parts];
    const read = async () => {
      await wait();
      const part = rest.shift();
      return part === undefined ? {} : { value: new TextEncoder().encode(part) };
    };
    const json = async (): Promise<unknown> => {
      for (const part of parts) await wait().then(() => part);
      return JSON.parse(parts.join(''));
    };
    return { ok: true, status: 200, body: { getReader: () => ({ read }) }, json };
  };
  return { fetch, signals };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('a page over a slow link is loaded, however long it takes, as long as something comes', async () => {
  const bytes = ['{"messages":[{"id":', '"1","data":"', 'ä"}', ']}'];
  const page = historyPage(target(slowly(bytes, 10_000).fetch), {}, undefined);
  await jest.advanceTimersByTimeAsync(50_000);
  expect(await page).toEqual([{ id: '1', data: 'ä' }]);
});

it('what is silent for 15 s is ended, and not only left: it takes nothing of the link', async () => {
  const { fetch, signals } = slowly(['{', '}'], 20_000);
  const page = expect(historyPage(target(fetch), {}, undefined)).rejects.toThrow(HistoryError);
  await jest.advanceTimersByTimeAsync(15_000);
  await page;
  expect(signals[0]?.aborted).toBe(true);
});

it('a message that is posted and not answered is not accepted behind the next one', async () => {
  let asked: AbortSignal | undefined;
  const fetch: Fetch = (_, { signal }) => {
    asked = signal;
    return new Promise(() => undefined);
  };
  const posted = expect(postMessage(target(fetch), { event: 'e' }, PublishError)).rejects.toThrow(PublishError);
  await jest.advanceTimersByTimeAsync(14_000);
  expect(asked?.aborted).toBe(false);
  await jest.advanceTimersByTimeAsync(1_000);
  await posted;
  expect(asked?.aborted).toBe(true);
});

it('a page that its caller wants no more is ended', async () => {
  const { fetch, signals } = slowly(['{}'], 10_000);
  const caller = new AbortController();
  const page = historyPage(target(fetch), {}, caller.signal);
  caller.abort();
  expect(signals[0]?.aborted).toBe(true);
  await jest.advanceTimersByTimeAsync(20_000);
  expect(await page).toEqual([]);
});
