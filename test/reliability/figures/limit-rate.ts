import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Frame } from '../../support/ws-client';
import type { Figure } from './figure';

/** Of messages, on one connection (limits §1). */
const RATE = 20;
const BURST = 20;
const SECONDS = { full: 60, small: 12 };

/** L1: at twice the rate exactly the rate passes, for as long as you like, in order. */
export const limitRate: Figure = {
  promise: 'L1',
  title: 'a limit at twice its rate',
  smallIn: 'test/limits/connections.spec.ts',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const channels = { limited: { subscribe: true, messages: { '*': { publish: true, echo: true } } } };
    const token = cluster.tokenFor('limited', channels, { limits: { publish: [RATE, BURST] } });
    const client = await connect(cluster.gatewayUrls[0] ?? '', token);
    client.send({ event: 'hotsock.subscribe', channel: 'limited' });
    await client.next('hotsock.subscribed');
    const begin = performance.now();
    const seconds = (): number => (performance.now() - begin) / 1_000;
    for (let sent = 0; seconds() < SECONDS[size]; await delay(5)) {
      while (sent < seconds() * 2 * RATE) client.send({ event: 'e', channel: 'limited', data: sent++ });
    }
    const expected = RATE * seconds() + BURST;
    client.send({ event: 'hotsock.ping' });
    await client.next('hotsock.pong');
    // What was let through last is still on its way.
    await delay(1_000);
    const passed = client.frames.filter(({ event }) => event === 'e').map(({ data }: Frame) => data as number);
    await client.close();
    const inverted = passed.filter((n, index) => n <= (passed[index - 1] ?? -1)).length;
    return [
      {
        what: `off the rate at twice the rate for ${SECONDS[size]} s`,
        measured: Math.round((1_000 * Math.abs(passed.length - expected)) / expected) / 10,
        atMost: 10,
        unit: '%',
      },
      { what: 'of them out of order', measured: inverted, atMost: 0 },
    ];
  },
};
