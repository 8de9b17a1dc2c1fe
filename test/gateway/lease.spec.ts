import { listMessages, openDatabase, type Database } from '@hearth/store';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { Denials } from '../../apps/gateway/src/denials/denials';
import { GatewayLease } from '../../apps/gateway/src/gateway-lease';
import type { ScratchDatabase } from '../../db/scratch-database';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { TcpProxy } from '../support/tcp-proxy';

/** A sequencer that sees Postgres answer gives gateways 10 s to renew what has expired meanwhile. */
const IN_TIME_MS = 9_000;

const never = new AbortController().signal;
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined } as never;

let server: ScratchDatabase;
let proxy: TcpProxy;
let database: Database;
let sql: Client;
beforeEach(async () => {
  server = await createDatabase();
  const url = new URL(server.url);
  proxy = await TcpProxy.start(Number(url.port));
  url.port = String(proxy.port);
  database = openDatabase(url.href, { applicationName: 'test' });
  sql = new Client(server.url);
  await sql.connect();
});
afterEach(async () => {
  await sql.end();
  await proxy.stop();
  await database.close();
  await server.drop();
});

async function expiry(): Promise<number> {
  const { rows } = await sql.query<{ expires_at: Date }>('select expires_at from gateway_lease');
  return rows[0]?.expires_at.getTime() ?? 0;
}

it('a gateway whose connections to Postgres were lost without a word renews its lease in time over a new one', async () => {
  const lease = await GatewayLease.claim(database, 'n', logger, never);
  const claimed = await expiry();
  await eventually(async () => expect(await expiry()).toBeGreaterThan(claimed));
  proxy.lose();
  const lost = await expiry();
  // Longer than between two renewals: one is on its way, and nobody will ever answer it.
  await delay(4_000);
  expect(await expiry()).toBe(lost);
  proxy.find();
  await eventually(async () => expect(await expiry()).toBeGreaterThan(lost), IN_TIME_MS).finally(() => lease.release());
});

it('a gateway renews its lease while everything else of its process waits for a table', async () => {
  const lease = await GatewayLease.claim(database, 'n', logger, never);
  await sql.query('begin; lock table message_log');
  const claimed = await expiry();
  const waiting = Array.from({ length: 20 }, () => listMessages(database.db, { channel: 'c', sinceMs: 0 }));
  await eventually(async () => expect(await expiry()).toBeGreaterThan(claimed), IN_TIME_MS).finally(async () => {
    await sql.query('commit');
    await Promise.all(waiting);
    await lease.release();
  });
});

it('a number that a renewal has taken while it is given back is given back, too', async () => {
  const lease = await GatewayLease.claim(database, 'n', logger, never);
  const replaced = new Promise<void>((resolve) => lease.onReplaced(resolve));
  try {
    // It is being taken for dead, and its renewal waits for that.
    await sql.query('begin; delete from gateway_lease');
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await eventually(async () => expect((await sql.query(waits)).rowCount).toBe(1));
  } finally {
    const released = lease.release();
    await sql.query('commit');
    await released;
  }
  await replaced;
  expect(await expiry()).toBe(0);
});

it.each([
  ['a gateway number', (signal: AbortSignal, log: never) => GatewayLease.claim(database, 'n', log, signal)],
  [
    'what is denied',
    (signal: AbortSignal, log: never) => Denials.open(database, log, { tokenLeewaySeconds: 0 }, signal),
  ],
])('a start that waits for %s ends when it is interrupted', async (_, begin) => {
  const controller = new AbortController();
  proxy.lead(1);
  let starting: Promise<GatewayLease | Denials> | undefined;
  try {
    await new Promise<void>((resolve) => {
      starting = begin(controller.signal, { info: () => undefined, warn: resolve } as never);
    });
    controller.abort();
    await expect(Promise.race([starting, delay(10_000)])).rejects.toBe(controller.signal.reason);
  } finally {
    proxy.lead(Number(new URL(server.url).port));
    const started = await starting?.catch(() => undefined);
    if (started instanceof GatewayLease) await started.release();
    await (started as Partial<Denials> | undefined)?.onApplicationShutdown?.();
  }
});
