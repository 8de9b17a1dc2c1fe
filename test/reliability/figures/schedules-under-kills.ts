import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually';
import { connect } from '../../support/ws-client';
import type { Cluster } from '../cluster';
import { p99 } from '../punctuality';
import { post } from '../publishers';
import type { Figure } from './figure';

const SECONDS = { full: 60, small: 6 };
/** Time to accept all of them. */
const AHEAD_SECONDS = 20;
const AT_ONCE = 20;
/** Enough for every partition to have some in each second. */
const CHANNELS = Array.from({ length: 40 }, (_, n) => `due-${n}`);
/** No whole number of seconds, so that kills come at every moment between two times of schedules. */
const KILL_EVERY_MS = 2_870;

/** R11: schedules fire once, never early, and late by no more than it takes to succeed a killed sequencer. */
export const schedulesUnderKills: Figure = {
  promise: 'R11',
  title: 'sequencers are killed in turn while schedules fall due',
  smallIn: 'test/schedules/kill.spec.ts',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const arrivals: { readonly n: number; readonly atMs: number }[] = [];
    const listener = await connect(cluster.gatewayUrls[0] ?? '', cluster.token('listener'));
    listener.socket.on('message', (text) => {
      const { event, data } = JSON.parse((text as Buffer).toString('utf8')) as { event: string; data: { n: number } };
      if (event === 'due') arrivals.push({ n: data.n, atMs: Date.now() });
    });
    for (const channel of CHANNELS) {
      listener.send({ event: 'hotsock.subscribe', channel });
      await listener.next('hotsock.subscribed');
    }
    const startMs = Math.ceil(Date.now() / 1_000 + AHEAD_SECONDS) * 1_000;
    const dues = Array.from(
      { length: SECONDS[size] * CHANNELS.length },
      (_, n) => startMs + 1_000 * Math.floor(n / CHANNELS.length),
    );
    const waiting = dues.entries();
    const lane = async (): Promise<void> => {
      for (const [n, dueMs] of waiting) await park(cluster, n, dueMs);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    if (Date.now() > startMs) throw new Error('the schedules were accepted too late');
    const kills = await killInTurn(cluster, (dues.at(-1) ?? 0) + KILL_EVERY_MS);
    const came = (): Set<number> => new Set(arrivals.map(({ n }) => n));
    await eventually(() => {
      if (came().size < dues.length) throw new Error(`${dues.length - came().size} schedules have not fired`);
    });
    await listener.close();
    const lateness = arrivals.map(({ n, atMs }) => atMs - (dues[n] ?? 0));
    process.stdout.write(`${dues.length} schedules, ${kills} kills, the last ${Math.max(...lateness)} ms late\n`);
    return [
      { what: 'fired before their time', measured: lateness.filter((ms) => ms < 0).length, atMost: 0 },
      { what: 'fired twice', measured: arrivals.length - came().size, atMost: 0 },
      {
        what: `later than its time at a subscriber, over ${kills} kills, 99 of 100`,
        measured: p99(lateness),
        atMost: 1_000,
        unit: 'ms',
      },
    ];
  },
};

async function park({ publishUrls, apiKey }: Cluster, n: number, dueMs: number): Promise<void> {
  const scheduleExpression = `at(${new Date(dueMs).toISOString().slice(0, 19)})`;
  const document = { channel: CHANNELS[n % CHANNELS.length], event: 'due', data: { n }, scheduleExpression };
  const answer = await post(publishUrls[n % publishUrls.length] ?? '', apiKey, '/publish', document);
  if (typeof answer !== 'object' || answer.status !== 202) throw new Error(`publish: ${JSON.stringify(answer)}`);
}

/** Kills one sequencer after the other and starts it again, until the time is over. @returns how many */
async function killInTurn({ sequencers }: Cluster, untilMs: number): Promise<number> {
  let kills = 0;
  for (; Date.now() < untilMs; kills++) {
    const victim = sequencers[kills % sequencers.length];
    const next = delay(KILL_EVERY_MS);
    await victim?.kill();
    await delay(KILL_EVERY_MS / 2);
    await victim?.start();
    await next;
  }
  return kills;
}
