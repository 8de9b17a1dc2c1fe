import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { WebSocket } from 'ws';
import { descriptorOf, writeNow } from '../../apps/gateway/src/transport/direct-write';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';
import { connectToken, EVERYTHING, subscribe } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

/** Frames go past Node's stream while nothing waits in it, and through it otherwise. Nobody may see the difference. */
let testbed: Testbed;

beforeAll(async () => {
  testbed = await startTestbed();
});
afterAll(() => testbed?.stop());

const numbers = (frames: readonly Frame[]) => frames.filter(({ event }) => event === 'e').map(({ data }) => data.n);

describe('a client that falls behind and catches up', () => {
  /** More than the kernel's buffers of both ends hold, so that something must wait in the stream. */
  const COUNT = 600;
  const PADDING = 'x'.repeat(30_000);

  it('gets every frame whole and in order, whichever way each of them went', async () => {
    const gateway = await testbed.anotherGateway({ wsMaxBacklogBytes: 64 * 1_048_576 });
    const [client, witness] = [await gateway.connect(EVERYTHING), await gateway.connect(EVERYTHING)];
    await Promise.all([subscribe(client, 'behind'), subscribe(witness, 'behind')]);
    let sent = 0;
    const publish = async (count: number) => {
      for (const end = sent + count; sent < end; sent++) {
        await testbed.sequencer.publish('behind', { n: sent, padding: PADDING });
      }
      await eventually(() => expect(numbers(witness.frames)).toHaveLength(sent));
    };
    await publish(3);
    client.socket.pause();
    await publish(COUNT);
    expect(numbers(client.frames).length).toBeLessThan(sent);
    client.socket.resume();
    // Sent while it catches up: these find the stream now full, now empty. Pings and pongs come in between.
    for (let n = 0; n < 100; n++) {
      client.send({ event: 'hotsock.ping' });
      client.socket.ping();
      await publish(1);
    }
    await eventually(() => expect(numbers(client.frames)).toHaveLength(sent));
    expect(numbers(client.frames)).toEqual(Array.from({ length: sent }, (_, n) => n));
    expect(client.frames.filter(({ event }) => event === 'hotsock.pong')).toHaveLength(100);
    expect(client.frames.filter(({ data }) => data?.padding !== undefined && data.padding !== PADDING)).toEqual([]);
    await Promise.all([client.close(), witness.close()]);
  });
});

it('sends nothing past the encryption of a TLS connection', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-tls-'));
  const [tlsKeyFile, tlsCertFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2';
  execFileSync('openssl', [...request.split(' '), '-keyout', tlsKeyFile, '-out', tlsCertFile], { stdio: 'pipe' });
  const gateway = await testbed.anotherGateway({ tlsKeyFile, tlsCertFile });
  rmSync(folder, { recursive: true });
  const url = `${gateway.wsUrl.replace('ws:', 'wss:')}?token=${connectToken(EVERYTHING)}`;
  const socket = new WebSocket(url, { rejectUnauthorized: false });
  const frames: Frame[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString('utf8'))));
  await once(socket, 'open');
  socket.send('{"event":"hotsock.subscribe","channel":"encrypted"}');
  await eventually(() => expect(frames.at(-1)).toMatchObject({ event: 'hotsock.subscribed' }));
  for (const n of [0, 1, 2]) await testbed.sequencer.publish('encrypted', { n });
  await eventually(() => expect(numbers(frames)).toEqual([0, 1, 2]));
  socket.close();
  await once(socket, 'close');
});

describe('writing to the descriptor of a socket', () => {
  it('takes what fits, then nothing, and never throws', async () => {
    const [ours, theirs] = await socketPair();
    const fd = descriptorOf(ours) ?? -1;
    const bytes = Buffer.alloc(16 * 1_048_576, 7);
    const taken = writeNow(fd, bytes);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(bytes.length);
    while (writeNow(fd, bytes) > 0) continue;
    expect(ours.writable).toBe(true);
    ours.destroy();
    theirs.destroy();
  });

  it('leaves what is wrong with a connection to its stream', async () => {
    const [ours, theirs] = await socketPair();
    theirs.resetAndDestroy();
    await once(theirs, 'close');
    // Nobody reads from this end, so its stream has not noticed.
    expect(ours.writable).toBe(true);
    expect(writeNow(descriptorOf(ours) ?? -1, Buffer.from('x'))).toBe(0);
    const failed = once(ours, 'error');
    ours.write('x');
    await failed;
    expect(descriptorOf(ours)).toBeUndefined();
  });

  it('is not offered for a stream that is no socket', () => {
    expect(descriptorOf(new PassThrough())).toBeUndefined();
    expect(descriptorOf(new Socket())).toBeUndefined();
  });
});

/** Both ends of a connection, neither of which reads. */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const theirs = connect((server.address() as { port: number }).port, '127.0.0.1').pause();
  const [ours] = await accepted;
  server.close();
  return [ours, theirs];
}
