import { StreamConnection } from '@hearth/stream';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, connect as connectTo, createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { createDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { freePort } from '../support/free-port';
import { startNats } from '../support/nats';
import { startApp } from '../support/process';

let warnings: string[];
let checks: Map<string, () => Promise<unknown>>;
let abort: AbortController;
let server: ChildProcess | undefined;
let deaf: Server | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  [warnings, checks, abort] = [[], new Map(), new AbortController()];
});
afterEach(async () => {
  abort.abort();
  deaf?.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  if (server?.kill() === true) await once(server, 'exit');
  [server, deaf] = [undefined, undefined];
});

/** Connects as a starting process does. */
function open(url: string): Promise<StreamConnection> {
  const log = { info: () => undefined, warn: (message: string) => void warnings.push(message) };
  const admin = { addCheck: (name: string, check: () => Promise<unknown>) => void checks.set(name, check) };
  return StreamConnection.open({ natsUrls: [url] }, 'test', log, { interrupted: abort.signal, admin });
}

const ready = () => checks.get('nats')!();
const firstWarning = () => eventually(() => expect(warnings).toHaveLength(1));

describe('the first connection to NATS', () => {
  it('is waited for, with a warning and a failing check, until the server is there', async () => {
    const port = await freePort();
    const opening = open(`nats://127.0.0.1:${port}`);
    await expect(ready()).rejects.toThrow(`no connection to 127.0.0.1:${port} yet`);
    await firstWarning();
    expect(warnings[0]).toContain(`127.0.0.1:${port} (HEARTH_NATS_URL) yet: CONNECTION_REFUSED`);
    server = spawn(process.env.HEARTH_TEST_NATS_SERVER!, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    const connection = await opening;
    await ready();
    await connection.close();
    expect(warnings).toHaveLength(1);
  });

  it('that the server refuses is not waited for, and the error tells no password', async () => {
    const port = await freePort();
    const args = ['-a', '127.0.0.1', '-p', String(port), '--user', 'hearth', '--pass', 'right'];
    server = spawn(process.env.HEARTH_TEST_NATS_SERVER!, args, { stdio: 'ignore' });
    const error = await open(`nats://hearth:PLANTED@127.0.0.1:${port}`).then(
      () => 'connected',
      (refused: Error) => inspect(refused),
    );
    expect(error).toMatch(/NATS at 127\.0\.0\.1:\d+ \(HEARTH_NATS_URL\): .*authorization violation/i);
    expect(error).not.toContain('PLANTED');
  });

  it('is refused where NATS takes too little in a message: which setting, and what is needed', async () => {
    const nats = await startNats({ maxPayload: '64KB' });
    await expect(open(nats.url)).rejects.toThrow(/at most 65536 bytes, and Hearth needs 98304: set max_payload/);
    await nats.restart({ maxPayload: '98304' });
    await (await open(nats.url)).close();
    await nats.stop();
  });

  it.each([
    ['nobody listens', async () => freePort()],
    [
      'the server says nothing',
      async () => {
        deaf = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
        await once(deaf, 'listening');
        return (deaf.address() as { port: number }).port;
      },
    ],
  ])('is given up where %s, with the reason of the interruption', async (_, portOf) => {
    const opening = open(`nats://127.0.0.1:${await portOf()}`);
    const reason = new Error('told to end');
    const refused = expect(opening).rejects.toBe(reason);
    await firstWarning();
    abort.abort(reason);
    await refused;
  });

  it('is not begun by a process that has been told to end', async () => {
    const nats = await startNats();
    const reason = new Error('told to end');
    abort.abort(reason);
    await expect(open(nats.url)).rejects.toBe(reason);
    await nats.stop();
  });
});

/** Debian 12's: a purge up to sequence 1 empties the stream there. */
const OLD_SERVER = '/usr/sbin/nats-server';

function hasOldServer(): boolean {
  return existsSync(OLD_SERVER) && execFileSync(OLD_SERVER, ['--version'], { encoding: 'utf8' }).includes('v2.9.10');
}

// Left out where Debian's package is not installed; CI has it.
const describeOld = hasOldServer() || process.env.CI !== undefined ? describe : describe.skip;

describeOld('a server that is too old (Debian 12, 2.9.10)', () => {
  const TOO_OLD =
    /NATS at 127\.0\.0\.1:\d+ \(HEARTH_NATS_URL\) is version 2\.9\.10, and Hearth needs 2\.9\.24 or newer/;

  it('is refused at the first connection, with its version and the oldest that will do', async () => {
    const port = await freePort();
    server = spawn(OLD_SERVER, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    await expect(open(`nats://127.0.0.1:${port}`)).rejects.toThrow(TOO_OLD);
  });

  it('ends the process that finds it after a reconnect', async () => {
    const [nats, database] = await Promise.all([startNats(), createDatabase()]);
    try {
      const history = await startApp('history', {
        HEARTH_NATS_URL: nats.url,
        HEARTH_DATABASE_URL: database.url,
        HEARTH_DRAIN_SECONDS: '0',
      });
      await nats.kill();
      server = spawn(OLD_SERVER, ['-a', '127.0.0.1', '-p', String(nats.port)], { stdio: 'ignore' });
      expect(await history.exited).toMatchObject({ code: 1 });
      expect(history.lines.join('\n')).toMatch(TOO_OLD);
    } finally {
      await Promise.all([nats.stop(), database.drop()]);
    }
  });
});

it('a server that refuses the credentials it took before ends the process, which nothing could mend', async () => {
  const [nats, database] = await Promise.all([startNats({ token: 'first' }), createDatabase()]);
  try {
    const history = await startApp('history', {
      HEARTH_NATS_URL: `nats://first@127.0.0.1:${nats.port}`,
      HEARTH_DATABASE_URL: database.url,
      HEARTH_DRAIN_SECONDS: '0',
    });
    await nats.restart({ token: 'second' });
    expect(await history.exited).toMatchObject({ code: 1 });
    expect(history.lines.join('\n')).toMatch(/NATS closed the connection for good \(HEARTH_NATS_URL\): .*auth/i);
  } finally {
    await Promise.all([nats.stop(), database.drop()]);
  }
});

it('is made anew when something comes that cannot be read, which is said', async () => {
  const nats = await startNats();
  let toClient: Socket | undefined;
  const road = createServer((client) => {
    const toServer = connectTo(nats.port, '127.0.0.1');
    sockets.push(client, toServer);
    for (const socket of [client, toServer]) socket.on('error', () => undefined);
    client.pipe(toServer).pipe(client);
    toClient = client;
  }).listen(0, '127.0.0.1');
  await once(road, 'listening');
  const connection = await open(`nats://127.0.0.1:${(road.address() as AddressInfo).port}`);
  const reconnected = new Promise<void>((resolve) => connection.onReconnect(resolve));
  const heard = new Promise<string>((resolve) => connection.listen('a', (message) => resolve(message.string())));
  toClient?.write('?');
  await reconnected;
  expect(warnings).toEqual([expect.stringContaining('What NATS sent cannot be read: '), 'NATS disconnected']);
  connection.tell('a', 'ö');
  expect(await heard).toBe('ö');
  await connection.close();
  road.close();
  await nats.stop();
});
