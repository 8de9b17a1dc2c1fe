import { eventually } from '../../support/eventually';
import type { AppProcess } from '../../support/process';
import { ATTACKS, type Attack, type Target } from './attacks';
import type { Figure } from './figure';
import { eventLoopP99, keptMiB, metric } from './vital-signs';

/** Rounds of all attacks, of which the first only warms up, how long each attack goes on, and how many strikes at once. */
const SIZES = { full: { rounds: 6, forMs: 1_500, atOnce: 10 }, small: { rounds: 1, forMs: 0, atOnce: 2 } };

/** R15: hostile input costs nothing. */
export const hostileInput: Figure = {
  promise: 'R15',
  title: 'oversized, fragmented, deep, endless and otherwise hostile input',
  measure: async ({ size, startCluster }) => {
    const cluster = await startCluster();
    const [gateway, publishApi] = [cluster.gateways[0]?.app, cluster.publishApis[0]?.app];
    if (gateway === undefined || publishApi === undefined) throw new Error('the cluster has no gateway or publish-api');
    let attackers = 0;
    const target: Target = {
      gatewayPort: gateway.port,
      publishPort: publishApi.port,
      apiKey: cluster.apiKey,
      // Who is sent away for one attack is refused for a while, and the next one is to be seen.
      token: (channels) => cluster.tokenFor(`attacker-${attackers++}`, channels),
    };
    const apps = [gateway, publishApi];
    const { rounds, forMs, atOnce } = SIZES[size];
    let strikes = 0;
    const outcomes = new Map<string, number>();
    const lags: { readonly ms: number; readonly attack: string }[] = [];
    const memory: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const attack of ATTACKS) {
        await Promise.all(apps.map(eventLoopP99));
        strikes += await strikeOften(attack, target, { forMs, atOnce }, outcomes);
        const [ms] = (await Promise.all(apps.map(eventLoopP99))).sort((a, b) => b - a);
        lags.push({ ms: ms ?? 0, attack: attack.name });
      }
      await everybodyGone(gateway);
      memory.push((await Promise.all(apps.map(keptMiB))).reduce((sum, mib) => sum + mib, 0));
    }
    const strange = [...outcomes].filter(([outcome]) => outcome.startsWith('NOT'));
    for (const [outcome, count] of strange) process.stderr.write(`${count} ${outcome}\n`);
    lags.sort((a, b) => b.ms - a.ms);
    for (const { ms, attack } of lags.slice(0, 5)) process.stdout.write(`event-loop p99 ${ms} ms: ${attack}\n`);
    process.stdout.write(`memory after each round and a garbage collection, MiB: ${memory.join()}\n`);
    return [
      {
        what: `of ${strikes.toLocaleString('en')} strikes of ${ATTACKS.length} kinds not refused in good order`,
        measured: strange.reduce((sum, [, count]) => sum + count, 0),
        atMost: 0,
      },
      { what: 'event-loop p99 under the worst of them', measured: lags[0]?.ms ?? 0, atMost: 50, unit: 'ms' },
      {
        what: `memory kept of ${rounds - 1} rounds more`,
        measured: Math.max(0, (memory.at(-1) ?? 0) - (memory[0] ?? 0)),
        atMost: 32,
        unit: 'MiB',
      },
    ];
  },
};

/** @returns how often */
async function strikeOften(
  attack: Attack,
  target: Target,
  { forMs, atOnce }: { readonly forMs: number; readonly atOnce: number },
  outcomes: Map<string, number>,
): Promise<number> {
  let strikes = 0;
  const end = performance.now() + forMs;
  const lane = async (): Promise<void> => {
    do {
      strikes++;
      const answer = await attack.strike(target);
      const outcome = `${attack.answer.test(answer) ? '' : 'NOT REFUSED AS IT SHOULD BE '}${attack.name}: ${answer}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return strikes;
}

/** Waits until the gateway has let everybody go. */
async function everybodyGone(gateway: AppProcess): Promise<void> {
  await eventually(async () => {
    const connections = await metric(gateway, 'hearth_connections');
    if (connections > 0) throw new Error(`${connections} connections are still there`);
  });
}
