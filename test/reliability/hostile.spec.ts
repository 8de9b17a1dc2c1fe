import { randomBytes } from 'node:crypto';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { startNats, type TestNats } from '../support/nats';
import { type AppProcess, startApp } from '../support/process';
import { watch } from './hostile/bystanders';
import { SCENARIOS } from './hostile/scenarios';
import { attack, type Attacked, judge } from './hostile/trial';

/** `npm run hostile`, very small, and only what is counted: times depend on the machine. */
let nats: TestNats;
let database: ScratchDatabase;
let app: AppProcess;
let attacked: Attacked;

beforeAll(async () => {
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  const [apiKey, secret] = [randomBytes(16).toString('hex'), randomBytes(32).toString('base64')];
  app = await startApp('hearth', {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_HTTP_API_KEY_1: apiKey,
    HEARTH_SIGNING_KEY_1_ENCODED: secret,
    HEARTH_LIMIT_CONNECTION_PUBLISH: '30,30',
  });
  const { port, adminPort } = app;
  attacked = {
    target: { port, adminPort, apiKey, secretBase64: secret },
    cpuMs: async () => 0,
    memoryMiB: async () => 0,
  };
});
afterAll(async () => {
  await app?.stop();
  await Promise.all([nats?.stop(), database?.drop()]);
});

const others = { messageP99: 10, messages: 40, lost: 0, connectP99: 10 };
const calm = { others, cpuMs: 5 };

it('an attack takes no message of others', async () => {
  const scenario = SCENARIOS.find(({ name }) => name === 'connections in a loop')!;
  const cost = await attack(attacked, scenario, 1, calm);
  expect(cost.others).toMatchObject({ messages: 20, lost: 0 });
  expect(judge(cost, calm).filter((line) => line.includes('lost'))).toEqual([]);
});

it('it is noticed when messages of others are lost', async () => {
  const experience = await watch(attacked.target, 1, 200, 100);
  expect(experience.lost).toBeGreaterThan(0);
});

it.each([
  [{ others: { ...others, lost: 1 } }, /1 messages lost/],
  [{ others: { ...others, messageP99: 51 } }, /messages 51 ms, at most 50/],
  [{ others: { ...others, connectP99: 80 } }, /connecting 80 ms, at most 50/],
  [{ cpuMs: 66 }, /6.1 ms of CPU/],
  [{ leftMiB: 65 }, /65 MiB are not back/],
])('what costs others more than it may is told: %j', (more, told) => {
  const scenario = { name: 'a', who: 'nobody' as const, peers: 10, strike: async () => undefined };
  const good = { scenario, others, cpuMs: 50, idleCpuMs: 5, mostMiB: 900, leftMiB: 64 };
  expect(judge(good, calm)).toEqual([]);
  expect(judge({ ...good, ...more }, calm)).toEqual([expect.stringMatching(told)]);
});
