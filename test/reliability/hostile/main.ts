/** `npm run hostile`: makes each attack, and prints what it cost everybody else. */
import { parseArgs } from 'node:util';
import build from '../../build';
import { Installation } from './installation';
import { SCENARIOS, type Scenario } from './scenarios';
import { attack, type Cost, judge, peace, type Peace, type Verdict } from './trial';

const USAGE = `npm run hostile -- [options]

  --only WORDS      attacks with this in their name, or by these: nobody, client, backend
  --seconds N       of each attack (10)
  --list            which there are

The machine must have nothing else to do. Exit code 1 when something costs others more than it may.`;

/** Every limit off, so that turns alone protect the others. */
const LIMITS = [
  ...[
    'PUBLISH',
    'SUBSCRIBE',
    'PRESENCE',
    'STORAGE',
    'REACTION',
    'HISTORY',
    'FRAMES',
    'BYTES',
    'STRIKES',
    'SUBSCRIPTIONS',
  ].map((name) => `CONNECTION_${name}`),
  ...['UID_CONNECTIONS', 'UID_HANDSHAKES', 'ADDRESS_SOCKETS', 'ADDRESS_CONNECTIONS', 'ADDRESS_HANDSHAKES'],
  ...['ADDRESS_REQUESTS', 'ADDRESS_REFUSALS'],
  ...['API_KEY_MESSAGES', 'AWS_KEY_MESSAGES', 'API_KEY_REQUESTS'],
  ...['CHANNEL_MEMBERS', 'CHANNEL_STORAGE_KEYS', 'CHANNEL_SCHEDULES', 'MESSAGE_REACTIONS'],
];
const UNLIMITED = Object.fromEntries(LIMITS.map((name) => [`HEARTH_LIMIT_${name}`, '0']));

interface Outcome extends Cost {
  readonly peace: Peace;
  readonly verdict: Verdict;
}

/** Each on an installation of its own kind, which they share: what one leaves behind is the next one's bad luck, and to be seen. */
async function run(
  scenarios: readonly Scenario[],
  env: Readonly<Record<string, string>>,
  seconds: number,
): Promise<Outcome[]> {
  if (scenarios.length === 0) return [];
  const installation = await Installation.start(env);
  try {
    await peace(installation, 3);
    const calm = await peace(installation, seconds);
    const outcomes: Outcome[] = [];
    for (const scenario of scenarios) {
      console.error(scenario.name);
      const cost = await attack(installation, scenario, seconds, calm);
      const outcome = { ...cost, peace: calm, verdict: judge(cost, calm) };
      outcomes.push(outcome);
      console.error(`  ${cells(outcome).slice(2).join(' | ')}`);
    }
    return outcomes;
  } finally {
    await installation.stop();
  }
}

const HEAD = ['attack', 'by', 'messages of others, p99 ms', 'their connects, ms', 'CPU, ms/s', 'memory, MiB', 'holds'];

function cells({ scenario, others, cpuMs, mostMiB, leftMiB, peace: { others: before }, verdict }: Outcome): string[] {
  const peers = scenario.peers ?? 1;
  return [
    scenario.name,
    `${scenario.who === 'nobody' ? 'no token' : scenario.who}${peers > 1 ? ` ×${peers}` : ''}`,
    `${others.messageP99} (${before.messageP99})`,
    `${others.connectP99} (${before.connectP99})`,
    String(cpuMs),
    `${mostMiB} → ${leftMiB}`,
    verdict.length === 0 ? 'yes' : `**no**: ${verdict.join(', ')}`,
  ];
}

function table(outcomes: readonly Outcome[]): string {
  return [HEAD, HEAD.map(() => '---'), ...outcomes.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      seconds: { type: 'string', default: '10' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const chosen = SCENARIOS.filter(({ name, who }) => name.includes(values.only) || who === values.only);
  if (values.help || values.list) {
    console.log(values.help ? USAGE : chosen.map(({ name }) => name).join('\n'));
    return 0;
  }
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1 || chosen.length === 0) throw new Error(USAGE);
  build();
  const outcomes = [
    ...(await run(
      chosen.filter(({ isUnlimited }) => isUnlimited !== true),
      {},
      seconds,
    )),
    ...(await run(
      chosen.filter(({ isUnlimited }) => isUnlimited === true),
      UNLIMITED,
      seconds,
    )),
  ];
  console.log(`\n${table(outcomes)}`);
  return outcomes.every(({ verdict }) => verdict.length === 0) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
