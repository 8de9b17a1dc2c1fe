import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../support/ws-client';
import { type Target, tokenFor } from './installation';

/** Messages a second on the quiet channel, and pauses between newcomers. */
const PER_SECOND = 20;
const NEWCOMER_MS = 250;
/** What has not come by then counts as lost. */
const LOST_AFTER_MS = 15_000;

/** What it was like for everybody else. */
export interface Experience {
  /** Of messages on a quiet channel, from one client to another, ms. */
  readonly messageP99: number;
  readonly messages: number;
  /** Of them, those that did not come, or came out of order. */
  readonly lost: number;
  /** From the beginning of a handshake to `hotsock.connected`, ms; of all but the slowest. */
  readonly connectP99: number;
}

/** People who use an installation for so long, and harm nobody. */
export async function watch(
  target: Target,
  seconds: number,
  perSecond = PER_SECOND,
  lostAfterMs = LOST_AFTER_MS,
): Promise<Experience> {
  const url = `ws://127.0.0.1:${target.port}/v1`;
  const channels = { quiet: { subscribe: true, messages: { '*': { publish: true } } } };
  const [speaker, listener] = await Promise.all(
    ['speaker', 'listener'].map(async (uid) => {
      const client = await connect(url, tokenFor(target, { uid, channels }));
      client.send({ event: 'hotsock.subscribe', channel: 'quiet' });
      await client.next('hotsock.subscribed');
      return client;
    }),
  );
  if (speaker === undefined || listener === undefined) throw new Error('nobody is there');
  const sent: number[] = [];
  const took: number[] = [];
  const order: number[] = [];
  listener.socket.on('message', (text: Buffer) => {
    const { event, data } = JSON.parse(text.toString());
    if (event !== 'quiet') return;
    took.push(performance.now() - (sent[data] ?? 0));
    order.push(data);
  });
  const begin = performance.now();
  const end = begin + 1_000 * seconds;
  const connects: number[] = [];
  const newcomers = (async () => {
    for (let n = 0; performance.now() < end; n++) {
      const startedAt = performance.now();
      const client = await connect(url, tokenFor(target, { uid: `newcomer-${n}` }));
      connects.push(performance.now() - startedAt);
      await client.close();
      await delay(Math.max(0, NEWCOMER_MS - (performance.now() - startedAt)));
    }
  })();
  for (let n = 0; n < seconds * perSecond; n++) {
    await delay(Math.max(0, begin + (1_000 * n) / perSecond - performance.now()));
    sent[n] = performance.now();
    speaker.send({ event: 'quiet', channel: 'quiet', data: n });
  }
  await newcomers;
  for (const until = performance.now() + lostAfterMs; took.length < sent.length && performance.now() < until;) {
    await delay(20);
  }
  await Promise.all([speaker.close(), listener.close()]);
  const inOrder = order.filter((n, index) => n > (order[index - 1] ?? -1)).length;
  return {
    messageP99: p99(took),
    messages: sent.length,
    lost: sent.length - inOrder,
    connectP99: p99(connects),
  };
}

/** All but the slowest hundredth, of few: all but the slowest. */
function p99(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1 - Number(sorted.length < 100))] ?? 0);
}
