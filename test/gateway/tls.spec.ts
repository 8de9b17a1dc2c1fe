import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get as httpsGet } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { connectToken } from './gateway-under-test';
import { startTestbed, type Testbed } from './testbed';

let folder: string;
let ca: Buffer;
let testbed: Testbed;

const file = (name: string): string => join(folder, `${name}.pem`);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-test-tls-'));
  const [key, certificate] = [file('key'), file('cert')];
  execFileSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  ca = readFileSync(certificate);
  testbed = await startTestbed({ tlsCertFile: certificate, tlsKeyFile: key });
});
afterAll(async () => {
  await testbed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const secureUrl = (scheme: 'https' | 'wss') => testbed.gateway.httpUrl.replace('http', scheme);

describe('own TLS (HEARTH_TLS_CERT_FILE, HEARTH_TLS_KEY_FILE)', () => {
  it('serves WebSocket', async () => {
    const socket = new WebSocket(`${secureUrl('wss')}/v1?token=${connectToken()}`, { ca });
    const first = await new Promise((resolve, reject) => {
      socket.once('message', (data: Buffer) => resolve(JSON.parse(data.toString('utf8'))));
      socket.once('error', reject);
    });
    socket.close();
    expect(first).toMatchObject({ event: 'hotsock.connected' });
  });

  it.each(['websocket', 'polling'] as const)('serves Socket.IO by %s', async (transport) => {
    const options = {
      transports: [transport],
      auth: { token: connectToken() },
      ca: ca.toString(),
      reconnection: false,
    };
    const socket = io(secureUrl('https'), options);
    try {
      const first = await new Promise((resolve, reject) => {
        socket.once('hotsock.connected', resolve);
        socket.once('connect_error', reject);
      });
      expect(first).toMatchObject({ data: { connectionId: expect.any(String) } });
    } finally {
      socket.close();
    }
  });

  it('keeps no connection on which TLS does not begin', async () => {
    const gateway = await testbed.anotherGateway({
      tlsCertFile: file('cert'),
      tlsKeyFile: file('key'),
      httpTimeoutMs: 500,
    });
    const socket = connect(Number(new URL(gateway.httpUrl).port), '127.0.0.1').resume();
    await once(socket, 'close');
  });

  it('serves HTTP, and to nobody without TLS', async () => {
    const status = await new Promise((resolve, reject) => {
      httpsGet(`${secureUrl('https')}/console`, { ca }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).once('error', reject);
    });
    expect(status).toBe(200);
    await expect(fetch(`${testbed.gateway.httpUrl}/console`)).rejects.toThrow();
  });
});
