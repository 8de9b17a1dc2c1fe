import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { ensureStreams, openIngestReader, StreamConnection, type StreamMessage } from '@hearth/stream';
import { ingestSubject } from '@hearth/wire';
import { startNats } from '../support/nats';

const SETTINGS = {
  partitions: 1,
  ingestMaxBytes: 16 * 1_048_576,
  deliverMaxBytes: 16 * 1_048_576,
  deliverMaxAgeSeconds: 600,
  streamReplicas: 1,
};
const silent = { info: () => undefined, warn: () => undefined };
/** Where a message stands in its stream, and which one it is for its reader: both the third. */
const THIRD = /(\$JS\.ACK\.HEARTH_INGEST_0\.\w+\.1)\.3\.3\./;

it('nothing is read twice when a server finds a stream shorter than it was, and begins there again', async () => {
  const nats = await startNats();
  const sockets: Socket[] = [];
  // Tells of the third message as a server of a cluster does that was restarted and has lost one.
  const road = createServer((client) => {
    const server = connect(nats.port, '127.0.0.1');
    sockets.push(client, server);
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.pipe(server);
    server.on('data', (bytes) => client.write(bytes.toString('latin1').replace(THIRD, '$1.2.3.'), 'latin1'));
  }).listen(0, '127.0.0.1');
  await once(road, 'listening');
  const url = `nats://127.0.0.1:${(road.address() as AddressInfo).port}`;
  const connection = await StreamConnection.open({ natsUrls: [url] }, 'test', silent);
  try {
    await ensureStreams(connection, SETTINGS);
    const reader = await openIngestReader(connection, 0, 'first');
    const read: StreamMessage[] = [];
    const readOn = async (): Promise<void> => {
      while (read.length < 3) read.push(...(await reader.next(1)));
    };
    for (let n = 0; n < 3; n++) await connection.nats.jetstream().publish(ingestSubject(0), String(n));
    await expect(readOn()).rejects.toThrow('it went back from 2 to 2');
    expect(read.map(({ sequence }) => sequence)).toEqual([1, 2]);
  } finally {
    await connection.close();
    road.close();
    for (const socket of sockets) socket.destroy();
    await nats.stop();
  }
});

it('nothing is read again when a server finds a stream shorter than it is, and begins before the place it was told', async () => {
  const nats = await startNats();
  const connection = await StreamConnection.open({ natsUrls: [nats.url] }, 'test', silent);
  try {
    await ensureStreams(connection, SETTINGS);
    await connection.nats.jetstream().publish(ingestSubject(0), '1');
    const reader = await openIngestReader(connection, 0, { sequence: 3 });
    const next = reader.next(1);
    await connection.nats.jetstream().publish(ingestSubject(0), '2');
    await expect(next).rejects.toThrow('it went back from 2 to 2');
  } finally {
    await connection.close();
    await nats.stop();
  }
});
