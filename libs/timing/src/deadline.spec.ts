import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { deadline } from './deadline';
import { every } from './every';
import { within } from './within';

/** Two ends of a connection, both in this process. */
let server: Server;
let near: Socket;
let far: Socket;

beforeEach(async () => {
  server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  near = connect((server.address() as { port: number }).port, '127.0.0.1');
  [far] = (await once(server, 'connection')) as [Socket];
});
afterEach(async () => {
  near.destroy();
  far.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** Something arrives, and the process does not get to read it for so long. */
function standStill(ms: number): void {
  far.write('x');
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('when the process has been delayed', () => {
  it('an answer that has arrived meanwhile came in time', async () => {
    const answer = within(20, once(near, 'data'));
    standStill(60);
    await answer;
  });

  it('a deadline is called after what has arrived was read, if nobody has cancelled it then', async () => {
    const seen: string[] = [];
    near.on('data', () => seen.push('data'));
    const timeUp = new Promise<void>((resolve) => {
      deadline(20, () => {
        seen.push('time is up');
        resolve();
      });
    });
    const cancel = deadline(20, () => seen.push('cancelled'));
    near.on('data', cancel);
    standStill(60);
    await timeUp;
    expect(seen).toEqual(['data', 'time is up']);
  });

  it('a job that is done every so often looks at what has arrived', async () => {
    let hasArrived = false;
    near.on('data', () => (hasArrived = true));
    const looks: boolean[] = [];
    const repeated = every(20, () => looks.push(hasArrived));
    standStill(60);
    while (looks.length === 0) await delay(5);
    await repeated.stop();
    expect(looks[0]).toBe(true);
  });
});

it('a job whose interval has passed is not begun once it was stopped', async () => {
  let runs = 0;
  const repeated = every(20, () => runs++);
  // Timers in the order of their ends: this one stops it in the turn in which it is due.
  const stopped = delay(20).then(() => repeated.stop());
  standStill(60);
  await stopped;
  await delay(50);
  expect(runs).toBe(0);
});
