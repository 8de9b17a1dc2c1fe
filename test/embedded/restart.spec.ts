import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from '@hearth/data-dir';
import { commandsNaming, descendantsOf, Installation, type HearthRun } from '../start/hearth-process';
import { connectAsPrinted, lookBackAsPrinted, publishAsPrinted } from '../start/printed-commands';
import { eventually } from '../support/eventually';
import { pauseProcess } from '../support/pause-process';
import { itOnSmallDisks, SmallDisk } from '../support/small-disk';
import type { WsClient } from '../support/ws-client';

let installation: Installation;
let program: string;

beforeEach(() => {
  installation = new Installation();
  program = `${installation.dataDir}-nats-server`;
});
afterEach(async () => {
  await installation.remove();
  rmSync(program, { force: true });
});

/** Starts Hearth with a nats-server that `hideNats` takes away. */
function startWithOwnNats(more: Readonly<Record<string, string>> = {}): Promise<HearthRun> {
  showNats();
  return installation.start({ HEARTH_NATS_SERVER: program, ...more });
}

function showNats(): void {
  symlinkSync(process.env.HEARTH_TEST_NATS_SERVER!, program);
}

function hideNats(): void {
  rmSync(program);
}

function kill(pids: readonly number[], signal: NodeJS.Signals = 'SIGKILL'): void {
  for (const pid of pids) process.kill(pid, signal);
}

async function allPostgresPids(): Promise<readonly number[]> {
  const [postmaster] = installation.serverPids();
  return [postmaster!, ...(await descendantsOf(postmaster!)).map(({ pid }) => pid)];
}

/** Publishes a message that is stored. @returns the status of the answer */
async function publish(hearth: HearthRun, data: string): Promise<number> {
  const { httpApiKey1 } = JSON.parse(readFileSync(join(installation.dataDir, 'keys.json'), 'utf8'));
  const [url = ''] = /http:\/\/localhost:\d+\/publish/.exec(hearth.commands[1] ?? '') ?? [];
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${httpApiKey1}` },
    body: JSON.stringify({ channel: 'my-channel', event: 'greeting', data, store: 3600, deduplicationId: data }),
  });
  return response.status;
}

/** Connects a client and has it receive a message that is stored. */
async function connectedClient(hearth: HearthRun): Promise<WsClient> {
  const client = await connectAsPrinted(hearth);
  await client.next('hotsock.subscribed');
  await publishAsPrinted(hearth, { data: 'before' });
  await client.next(({ data }) => data === 'before');
  return client;
}

/** The client never noticed: the same connection gets what is published now, once, and what was stored is there. */
async function expectAllIsWell(hearth: HearthRun, client: WsClient): Promise<void> {
  await eventually(async () => expect(await publish(hearth, 'after')).toBe(202));
  await client.next(({ data }) => data === 'after');
  await eventually(async () => {
    const { messages } = await lookBackAsPrinted(hearth, client);
    expect(messages.map(({ data }) => data)).toEqual(['before', 'after']);
  });
  expect(client.frames.filter(({ event }) => event === 'greeting').map(({ data }) => data)).toEqual([
    'before',
    'after',
  ]);
  expect(client.frames.filter(({ event }) => event === 'hotsock.connected')).toHaveLength(1);
}

async function expectNothingIsLeft(): Promise<void> {
  expect(await commandsNaming(installation.dataDir)).toEqual([]);
}

function untilLogged(hearth: HearthRun, text: string): Promise<void> {
  return eventually(() => expect(hearth.stdout).toContain(text));
}

describe('an embedded server that dies', () => {
  it.each([
    ['nats-server', 'nats-server', () => installation.serverPids().slice(1)],
    ['Postgres', 'Postgres', () => installation.serverPids().slice(0, 1)],
    ['Postgres with all its processes', 'Postgres', allPostgresPids],
  ] as const)('is started again, and no client notices: %s', async (_case, name, pids) => {
    const hearth = await installation.start();
    const client = await connectedClient(hearth);

    kill(await pids());

    await untilLogged(hearth, `The embedded ${name} is started again: it ended with signal SIGKILL`);
    await untilLogged(hearth, `The embedded ${name} runs again`);
    await expectAllIsWell(hearth, client);
    expect(await hearth.end('SIGTERM')).toBe(0);
    await expectNothingIsLeft();
  });

  it('keeps publishers from waiting while it cannot be started, and everything goes on once it can', async () => {
    const hearth = await startWithOwnNats();
    const client = await connectedClient(hearth);

    hideNats();
    kill(installation.serverPids().slice(1));

    await untilLogged(hearth, 'it did not start');
    expect(await publish(hearth, 'refused')).toBe(503);
    showNats();
    await untilLogged(hearth, 'The embedded nats-server runs again');
    await expectAllIsWell(hearth, client);
  });

  itOnSmallDisks(
    'starts again once there is room on its disk, which was full, and nothing accepted is lost',
    async () => {
      const disk = await SmallDisk.mount(join(installation.dataDir, 'nats'), 32);
      try {
        const sizes = { HEARTH_INGEST_MAX_BYTES: '4194304', HEARTH_DELIVER_MAX_BYTES: '1048576' };
        const hearth = await installation.start(sizes);
        const client = await connectedClient(hearth);
        const accepted = ['before'];
        await disk.fill();
        // Files that are there already take some.
        await eventually(async () => {
          const data = `full ${accepted.length}`;
          const status = await publish(hearth, data);
          if (status === 202) accepted.push(data);
          expect(status).toBe(503);
        });
        const readyz = await fetch(`${await installation.adminUrl()}/readyz`);
        expect([readyz.status, await readyz.text()]).toEqual([503, expect.stringContaining('no space left on device')]);

        await untilLogged(hearth, 'the disk of the embedded nats-server is full');
        await disk.makeRoom();
        await untilLogged(hearth, 'The embedded nats-server runs again');
        await eventually(async () => expect(await publish(hearth, 'after')).toBe(202));
        await client.next(({ data }) => data === 'after');
        const arrived = client.frames.filter(({ event }) => event === 'greeting').map(({ data }) => data as string);
        // What was refused may have come all the same.
        expect(arrived.filter((data) => accepted.includes(data))).toEqual(accepted);
        expect(arrived).toEqual([...new Set(arrived)]);
        expect(client.frames.filter(({ event }) => event === 'hotsock.connected')).toHaveLength(1);
      } finally {
        await disk.unmount();
      }
    },
  );

  it('again and again ends Hearth with code 1, which takes the other along', async () => {
    const hearth = await installation.start();
    const client = await connectedClient(hearth);

    for (let death = 1, killed = 0; death <= 5; death++) {
      await eventually(() => {
        const [, pid = 0] = installation.serverPids();
        expect(pid).not.toBe(killed);
        expect(hearth.stdout.split('The embedded nats-server runs again')).toHaveLength(death);
        killed = pid;
      });
      kill([killed]);
    }

    expect(await hearth.untilEnded()).toBe(1);
    expect(await client.closed).toEqual({ code: 1001, reason: 'Going away' });
    // Others may have had to give up something by then, and say so.
    const errors = hearth.stdout.split('\n').filter((line) => /"ERROR".*embedded/.test(line));
    expect(errors).toEqual([
      expect.stringContaining(
        'The embedded nats-server is given up after 5 failures in a row: it ended with signal SIGKILL',
      ),
    ]);
    await expectNothingIsLeft();
  });
});

describe('Hearth that is told to end', () => {
  it.each([
    ['nats-server', 1],
    ['Postgres', 0],
  ] as const)('while its %s is started again leaves nothing behind', async (name, index) => {
    const hearth = await installation.start();
    await connectedClient(hearth);

    kill([installation.serverPids()[index]!]);
    await untilLogged(hearth, `The embedded ${name} is started again`);

    expect(await hearth.end('SIGTERM')).toBe(0);
    await expectNothingIsLeft();
  });

  it('while a server cannot be started gives up after the drain time and leaves nothing behind', async () => {
    const hearth = await startWithOwnNats();
    await connectedClient(hearth);

    hideNats();
    kill(installation.serverPids().slice(1));
    await untilLogged(hearth, 'it did not start');

    await hearth.end('SIGTERM');
    await expectNothingIsLeft();
  });

  it('leaves nothing behind when a server hangs and the drain takes too long', async () => {
    const hearth = await installation.start();
    await connectedClient(hearth);
    const [, nats = 0] = installation.serverPids();
    await pauseProcess(nats);

    expect(await hearth.end('SIGTERM')).toBe(1);

    expect(hearth.stdout).toContain('Draining took too long');
    await expectNothingIsLeft();
    expect(processIdentity(nats)).toBeUndefined();
  });

  it('twice ends at once and leaves nothing behind', async () => {
    const hearth = await installation.start();
    await connectedClient(hearth);
    process.kill(hearth.pid, 'SIGINT');
    await untilLogged(hearth, 'Draining');

    expect(await hearth.end('SIGINT')).toBe(130);
    await expectNothingIsLeft();
  });
});
