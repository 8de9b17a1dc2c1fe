import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { connectToken } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** What a peer costs that has not shown a token, or does not read its answers (limits §6). */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed({
    wsMaxMessageBytes: 2_048,
    limitConnectionFrames: 'unlimited',
    limitConnectionBytes: 'unlimited',
  });
});
afterAll(() => testbed?.stop());

const doors: [name: string, path: () => string][] = [
  ['the native door', () => `/v1?token=${connectToken()}`],
  ['Socket.IO', () => '/socket.io/?EIO=4&transport=websocket'],
];

describe.each(doors)('a WebSocket at %s', (_, path) => {
  const open = async (): Promise<WebSocket> => {
    const socket = new WebSocket(testbed.gateway.httpUrl.replace('http', 'ws') + path());
    await once(socket, 'open');
    return socket;
  };

  it('gets a pong for each ping that it waits for', async () => {
    const socket = await open();
    const pongs: string[] = [];
    socket.on('pong', (data) => pongs.push(data.toString()));
    const sent = Array.from({ length: 20 }, (__, n) => `ping ${n}`);
    for (const text of sent) socket.ping(text);
    await eventually(() => expect(pongs).toEqual(sent));
    socket.terminate();
  });

  it('has at most one pong waiting, the newest, when it does not read', async () => {
    const socket = await handshake(path());
    socket.pause();
    const count = 200_000;
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => frame(0x89, Buffer.alloc(125, 'x'))));
    for (let sent = 0; sent < count; sent += 1_000) {
      if (!socket.write(pings)) await once(socket, 'drain');
    }
    socket.write(frame(0x89, Buffer.from('the last')));
    let bytes = 0;
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-64);
    });
    socket.resume();
    await eventually(() => expect(tail).toMatch(/the last$/));
    // What the buffers of the kernel took, and not what was asked for.
    expect(bytes).toBeLessThan((count * 127) / 2);
    socket.destroy();
  });

  it('has only the newest answered of many pings that come at once', async () => {
    const socket = await handshake(path());
    const pings = Array.from({ length: 400 }, (__, n) => frame(0x89, Buffer.from(String(n).padStart(4))));
    socket.write(Buffer.concat(pings));
    let answers = '';
    socket.on('data', (chunk: Buffer) => (answers += chunk.toString('latin1')));
    await eventually(() => expect(answers).toMatch(/ 399$/));
    // They may have been read in two pieces.
    expect(answers.length).toBeLessThan((400 * 6) / 2);
    socket.destroy();
  });

  it('may send a message in pieces that count 16 bytes more each, and no more', async () => {
    const socket = await open();
    const closed = once(socket, 'close');
    const fragments = async (count: number) => {
      for (let n = 0; n < count; n++) socket.send(' ', { fin: false });
      const pong = once(socket, 'pong');
      socket.ping();
      await Promise.race([pong, closed]);
    };
    await fragments(120);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    await fragments(1);
    const [code] = await closed;
    expect(code).toBe(1009);
  });
});

it('takes a message whole that came in many pieces, and in segments of one byte', async () => {
  const client = await testbed.gateway.connect();
  const text = '{"event":"hotsock.ping"}'.padEnd(100);
  for (const [index, character] of [...text].entries())
    client.socket.send(character, { fin: index === text.length - 1 });
  expect(await client.next('hotsock.pong')).toEqual({ event: 'hotsock.pong', data: '{}' });
  const socket = await handshake(`/v1?token=${connectToken()}`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  for (const byte of frame(0x81, Buffer.from(text.padEnd(125)))) {
    socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  await eventually(() => expect(answer).toContain('"hotsock.pong"'));
  socket.destroy();
  await client.close();
});

it.each([
  ['a handshake was refused', () => '/v1?closeReason=1', 'INVALID_CONNECT_TOKEN'],
  ['a connection has ended', () => `/v1?token=${connectToken()}`, 'Going away'],
])('what comes when %s is read slowly, until it is cut off', async (_, path, reason) => {
  const gateway = await testbed.anotherGateway({
    connectionMaxSeconds: 1,
    limitConnectionFrames: 'unlimited',
    limitConnectionBytes: 'unlimited',
  });
  /** A client that was told to go; its own close is missing. */
  const leaving = async (): Promise<Socket> => {
    const socket = await handshake(path(), gateway.httpUrl);
    let told = '';
    socket.on('data', (chunk: Buffer) => (told += chunk.toString('latin1')));
    if (reason === 'Going away') await eventually(() => expect(told).toContain(reason));
    return socket;
  };
  const [silent, busy] = [await leaving(), await leaving()];
  const since = performance.now();
  const waits = [silent, busy].map((socket) => once(socket, 'close').then(() => performance.now() - since));
  const frames = Array.from({ length: 5_000 }, () => frame(0x81, Buffer.from('{}')));
  busy.write(Buffer.concat([...frames, frame(0x88, Buffer.of(0x03, 0xe8))]));
  const [silentMs = 0, busyMs = 0] = await Promise.all(waits);
  // Both wait as long: the close of the one that talks was not reached.
  expect(busyMs).toBeGreaterThan(silentMs / 2);
});

describe('a Socket.IO session that has not shown its token', () => {
  const url = () => `${testbed.gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;

  async function session(): Promise<string> {
    const [, opened = ''] = /^0(.*)$/.exec(await (await fetch(url())).text()) ?? [];
    return `${url()}&sid=${JSON.parse(opened).sid}`;
  }
  /** What the session answers until it is over. */
  async function answersTo(sid: string, packets: readonly string[]): Promise<string[]> {
    await fetch(sid, { method: 'POST', body: packets.join('\x1e') });
    const answers: string[] = [];
    for (;;) {
      const response = await fetch(sid);
      const text = await response.text();
      if (response.status !== 200) return answers;
      answers.push(...text.split('\x1e'));
      if (text === '1' || text.endsWith('\x1e1')) return answers;
    }
  }

  const connectPacket = () => `40${JSON.stringify({ token: connectToken() })}`;
  const connections = () => testbed.gateway.metrics.connections.of('socket.io').value;

  it('is heard in the end, however much else came before', async () => {
    const socket = await handshake('/socket.io/?EIO=4&transport=websocket');
    let answers = '';
    socket.on('data', (chunk: Buffer) => (answers += chunk.toString('latin1')));
    const pongsAndPings = Array.from({ length: 700 }, (__, n) => frame(0x89 + (n % 2), Buffer.from('x')));
    const [head, text] = [Buffer.of(0x81, 0xfe, 0, 0, 0, 0, 0, 0), Buffer.from(connectPacket())];
    head.writeUInt16BE(text.length, 2);
    socket.write(Buffer.concat([...pongsAndPings, head, text]));
    await eventually(() => expect(answers).toContain('hotsock.connected'));
    expect(answers.split('\x8a\x01x')).toHaveLength(351);
    socket.destroy();
  });

  it.each([
    ['CONNECT again', () => connectPacket()],
    ['CONNECT to another namespace', () => '40/other,'],
    ['an event', () => '42["hotsock.ping",{}]'],
    ['what is no packet', () => '4nonsense'],
  ])('is over when it sends %s before the answer', async (__, second) => {
    const answers = await answersTo(await session(), [connectPacket(), second()]);
    expect(answers.filter((answer) => answer.startsWith('4'))).toEqual([]);
    await eventually(() => expect(connections()).toBe(0));
  });

  it('is over when it sends more packets at once than 100', async () => {
    const answers = await answersTo(
      await session(),
      Array.from({ length: 101 }, () => '40'),
    );
    expect(answers.filter((answer) => answer.startsWith('4'))).toEqual([]);
  });

  it('is over when it sends more than 128 KiB at once, whatever a message may have', async () => {
    const gateway = await testbed.anotherGateway({ wsMaxMessageBytes: 1_048_576 });
    const at = `${gateway.httpUrl}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(at)).text()).slice(1));
    const post = (bytes: number) =>
      fetch(`${at}&sid=${sid}`, { method: 'POST', body: connectPacket().padEnd(bytes) }).then(({ status }) => status);
    expect(await post(131_073)).toBe(413);
    expect(await post(131_072)).toBe(200);
    expect(await (await fetch(`${at}&sid=${sid}`)).text()).toMatch(/^40\{"sid"/);
    // With a token it may send as much as any client, and as many packets.
    const pings = Array.from({ length: 500 }, () => '42["hotsock.ping",{}]')
      .join('\x1e')
      .padEnd(200_000);
    expect((await fetch(`${at}&sid=${sid}`, { method: 'POST', body: pings })).status).toBe(200);
  });

  it('may try again after a refusal, some times', async () => {
    const sid = await session();
    const tries: string[] = [];
    for (let n = 0; n < 11; n++) {
      await fetch(sid, { method: 'POST', body: '40' });
      tries.push(await (await fetch(sid)).text());
    }
    expect(tries.filter((text) => text.startsWith('44'))).toHaveLength(10);
    expect(tries[10]?.split('\x1e')).toContain('1');
  });

  it('probes a change of its transport once', async () => {
    const { pathname, search } = new URL(await session());
    const socket = new WebSocket(
      `${testbed.gateway.httpUrl.replace('http', 'ws')}${pathname}${search.replace('polling', 'websocket')}`,
    );
    await once(socket, 'open');
    const texts: string[] = [];
    socket.on('message', (data: Buffer) => texts.push(data.toString()));
    const closed = once(socket, 'close');
    for (let n = 0; n < 1_000; n++) socket.send('2probe');
    await closed;
    expect(texts.length).toBeLessThan(3);
  });
});

/** A masked frame of a client. */
function frame(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.of(opcode, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}

/** A socket on which the WebSocket handshake is done. */
async function handshake(path: string, url = testbed.gateway.httpUrl): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  const headers = ['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  headers.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');
  socket.write(`GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 101 /);
  return socket;
}
