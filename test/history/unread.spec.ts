import { connect, type Socket } from 'node:net';
import { eventually } from '../support/eventually';
import { type Client, Testbed } from '../support/installation';
import type { AppProcess } from '../support/process';

/** Pages that clients ask for and do not read (limits §2, `BACKLOG_BYTES`). */
const MIB = 1_048_576;
const MOST = 32 * MIB;

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start({ HEARTH_LIMIT_BACKLOG_BYTES: `${MOST}`, HEARTH_HTTP_TIMEOUT_MS: '60000' });
});
afterAll(() => testbed?.stop());

/** A connection on which pages of history are asked for and never read. */
function askUnread({ httpUrl }: AppProcess, { query }: Client, pages: number): Socket {
  const { hostname, port } = new URL(httpUrl);
  const socket = connect(Number(port), hostname);
  const body = '{"channel":"large"}';
  const head = `POST /connection/listMessages${query} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.on('error', () => undefined).pause();
  socket.write(`${head}${body}`.repeat(pages));
  return socket;
}

async function metric({ adminPort }: AppProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length) ?? 0,
  );
}

it('do not pile up in memory: whose are most is ended, and who reads gets a whole page', async () => {
  await testbed.store('large', ...Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(30_000)));
  const { history } = testbed;
  const greedy = await testbed.connect({ channels: { '*': { historyStart: 0 } } });
  const modest = await testbed.connect({ channels: { '*': { historyStart: 0 } } });
  const sockets = Array.from({ length: 8 }, () => askUnread(history, greedy, 16));
  await eventually(async () =>
    expect(await metric(history, 'hearth_limited_total{limit="backlogBytes",answer="closed"}')).toBeGreaterThan(0),
  );
  expect(await modest.list({ channel: 'large' })).toHaveLength(34);
  await eventually(async () => expect(await metric(history, 'hearth_backlog_bytes')).toBeLessThan(MOST));
  for (const socket of sockets) socket.destroy();
  await eventually(async () => expect(await metric(history, 'hearth_backlog_bytes')).toBe(0));
});
