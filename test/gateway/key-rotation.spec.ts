import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { startNats, type TestNats } from '../support/nats';
import { type AppProcess, startApp } from '../support/process';
import { signToken } from '../support/tokens';
import { connect } from '../support/ws-client';

let folder: string;
let nats: TestNats;
let database: Awaited<ReturnType<typeof createDatabase>>;
let gateway: AppProcess;

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const fileOf = (name: string) => join(folder, name);
const write = (name: string, content: string) => writeFileSync(fileOf(name), content);
const open = (secret: Buffer, claims: object = {}) =>
  connect(gateway.wsUrl, signToken({ scope: 'connect', ...claims }, { secret }));
const reload = () => process.kill(gateway.pid, 'SIGHUP');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-test-keys-'));
  write('key-1', oldKey.toString('base64'));
  write('key-2', '');
  write('audience', '');
  write('resume-keys', oldKey.toString('base64'));
  [nats, database] = await Promise.all([startNats(), createDatabase()]);
  gateway = await startApp('gateway', {
    HEARTH_NATS_URL: nats.url,
    HEARTH_DATABASE_URL: database.url,
    HEARTH_SIGNING_KEY_1_ENCODED_FILE: fileOf('key-1'),
    HEARTH_SIGNING_KEY_2_ENCODED_FILE: fileOf('key-2'),
    HEARTH_TOKEN_AUDIENCE_FILE: fileOf('audience'),
    HEARTH_RESUME_KEYS_FILE: fileOf('resume-keys'),
    HEARTH_DRAIN_SECONDS: '0',
  });
});
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([nats?.stop(), database?.drop()]);
  rmSync(folder, { recursive: true, force: true });
});

it('changes its signing key by way of the second slot, without a restart and without closing a connection', async () => {
  const early = await open(oldKey);
  await expect(open(newKey)).rejects.toMatchObject({ status: 401 });

  write('key-2', newKey.toString('base64'));
  reload();
  const late = await eventually(() => open(newKey));
  await (await open(oldKey)).close();

  write('key-1', '');
  reload();
  await eventually(() => expect(open(oldKey)).rejects.toMatchObject({ status: 401 }));
  await (await open(newKey)).close();
  for (const client of [early, late]) {
    client.send({ event: 'hotsock.ping' });
    await client.next('hotsock.pong');
    await client.close();
  }
});

it('changes what resume tokens are signed with, and each is good until its key goes', async () => {
  const client = await open(newKey, { channels: { c: { subscribe: true } } });
  /** @returns whether nothing was missed, as the answer says, and the next token */
  const subscribe = async (token?: string): Promise<{ readonly complete: unknown; readonly token: string }> => {
    client.send({ event: 'hotsock.subscribe', channel: 'c', data: { resume: token === undefined ? true : { token } } });
    const { resume } = (await client.next('hotsock.subscribed')).data;
    client.send({ event: 'hotsock.unsubscribe', channel: 'c' });
    await client.next('hotsock.unsubscribed');
    return resume;
  };
  const setKeys = (...keys: readonly Buffer[]) => {
    write('resume-keys', keys.map((key) => key.toString('base64')).join());
    reload();
  };
  const { token: old } = await subscribe();
  for (const keys of [
    [oldKey, newKey],
    [newKey, oldKey],
  ]) {
    setKeys(...keys);
    expect((await subscribe(old)).complete).toBe(true);
  }
  setKeys(newKey);
  await eventually(async () => expect((await subscribe(old)).complete).toBe(false));
  const { token: fresh } = await subscribe();
  expect((await subscribe(fresh)).complete).toBe(true);
  await client.close();
});

it('begins to ask for an audience without a restart', async () => {
  await (await open(newKey)).close();
  write('audience', 'this-installation');
  reload();
  await eventually(() => expect(open(newKey)).rejects.toMatchObject({ status: 401 }));
  await (await open(newKey, { aud: 'this-installation' })).close();
});
