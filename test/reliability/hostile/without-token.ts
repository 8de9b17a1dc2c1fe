import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Target } from './installation';
import type { Scenario } from './scenarios';

type Pace = (strike: () => Promise<unknown>) => Promise<unknown>;

const PEERS = 10;
/** As much as a long-polling POST may bring. */
const CONNECTS = Array.from({ length: 20_000 }, () => '40{}')
  .join('\u001e')
  .slice(0, 120_000);

/** Opens a session of Socket.IO over long-polling. */
async function openSession({ port }: Target): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling&sid=${(JSON.parse(text.slice(1)) as { sid: string }).sid}`;
}

/** A session of Socket.IO over WebSocket, of which nothing is read. */
function unread({ port }: Target, flood: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
    client.on('open', () => {
      const { _socket } = client as unknown as { _socket: Socket };
      _socket.pause();
      flood(_socket);
    });
    client.on('error', () => resolve());
    client.on('close', () => resolve());
    setTimeout(() => client.terminate(), 900);
  });
}

/** Masked, with a mask of zeros. */
const frame = (firstByte: number, payload = ''): Buffer =>
  Buffer.concat([Buffer.from([firstByte, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)]);

function silent(port: number, said: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(said));
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    setTimeout(() => socket.destroy(), 10_000);
  });
}

/** So many requests in one piece, whose answers are read or not. */
function requests(port: number, request: string, count: number, areRead: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request.repeat(count)));
    if (areRead) socket.resume();
    else socket.pause();
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    setTimeout(() => socket.destroy(), 900);
  });
}

/** What whoever finds the address can do. */
export function withoutToken(pace: Pace): readonly Scenario[] {
  const nobody = { who: 'nobody', peers: PEERS } as const;
  return [
    {
      ...nobody,
      name: 'a long-polling POST of 120 KB full of CONNECTs',
      strike: (target) =>
        pace(async () => {
          const url = await openSession(target);
          await fetch(url, { method: 'POST', body: CONNECTS }).then((answer) => answer.text());
        }),
    },
    {
      ...nobody,
      name: '2,000 pings on Socket.IO that are not read',
      strike: (target) =>
        pace(() =>
          unread(target, (socket) =>
            socket.write(Buffer.concat(Array.from({ length: 2_000 }, () => frame(0x89, 'x'.repeat(125))))),
          ),
        ),
    },
    {
      ...nobody,
      name: 'a message on Socket.IO in fragments of a byte',
      strike: (target) =>
        pace(() =>
          unread(target, (socket) => {
            socket.write(frame(0x01, '4'));
            socket.write(Buffer.concat(Array.from({ length: 4_000 }, () => frame(0x00, 'x'))));
          }),
        ),
    },
    {
      ...nobody,
      name: 'sessions that are opened and left',
      strike: (target) => pace(() => openSession(target).catch(() => delay(100))),
    },
    ...(
      [
        ['port', 'public', '/openapi.json'],
        ['adminPort', 'admin', '/metrics'],
      ] as const
    ).flatMap(([port, name, path]) => {
      const request = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      const fillingOnePiece = Math.floor(65_536 / request(path).length);
      return [
        {
          ...nobody,
          name: `64 KiB of requests in one piece at the ${name} port, of which no answer is read`,
          strike: (target: Target) => pace(() => requests(target[port], request(path), fillingOnePiece, false)),
        },
        {
          ...nobody,
          name: `250 small requests in one piece at the ${name} port`,
          strike: (target: Target) => pace(() => requests(target[port], request('/x'), 250, true)),
        },
      ];
    }),
    ...(['port', 'adminPort'] as const).map((port) => ({
      ...nobody,
      name: `silence, and half a head, at the ${port === 'port' ? 'public' : 'admin'} port`,
      strike: async (target: Target) => {
        for (;;) await Promise.all([silent(target[port], ''), silent(target[port], 'GET / HTTP/1.1\r\nHo')]);
      },
    })),
  ];
}
