import { WebSocket } from 'ws';
import { Client, connectToken, Testbed, umdToken } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame } from '../support/ws-client';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
  await testbed.add('gateway');
});
afterAll(() => testbed.stop());

const ANY = { '*': { subscribe: true } };
const connect = (uid: string, umd: unknown, gateway: number): Promise<Client> =>
  testbed.connect({ uid, umd, channels: ANY }, testbed.gateways[gateway % 3]);

/** Repeatable random numbers. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** One user's device: what it last asked for. */
interface Device {
  readonly uid: string;
  client: Client;
  isIn: boolean;
}

/** What a list must be after a member event, given the list before it. */
function after(members: readonly Frame[], { event, data: { member } }: Frame): readonly Frame[] {
  const place = members.findIndex(({ uid }) => uid === member.uid);
  if (event === 'hotsock.memberAdded') {
    expect(place).toBe(-1);
    return [...members, member];
  }
  expect(place).toBeGreaterThanOrEqual(0);
  if (event === 'hotsock.memberRemoved') return members.filter(({ uid }) => uid !== member.uid);
  return members.map((one) => (one.uid === member.uid ? member : one));
}

const isMemberEvent = ({ event }: Frame): boolean => (event as string).startsWith('hotsock.member');

it.each([1, 2, 3])(
  'members come and go over three gateways, and every observer sees the same lists (seed %i)',
  async (seed) => {
    const random = randomNumbers(seed);
    const channel = `presence.random${seed}`;
    const observers = await Promise.all([0, 1, 2].map((n) => connect(`observer${n}`, null, n)));
    for (const observer of observers) await observer.subscribe(channel);
    const devices: Device[] = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const uid = `u${n % 5}`;
        return { uid, client: await connect(uid, 0, n), isIn: false };
      }),
    );

    const act = async (device: Device): Promise<void> => {
      const { client, uid } = device;
      switch (random(4)) {
        case 0:
          if (device.isIn) await client.unsubscribe(channel);
          else await client.subscribe(channel);
          device.isIn = !device.isIn;
          return;
        case 1:
          client.ws.socket.terminate();
          device.isIn = false;
          device.client = await connect(uid, random(3), random(3));
          return;
        case 2: {
          if (!device.isIn) return;
          const token = umdToken({ uid, umd: random(4), channels: { [channel]: { umdUpdate: true } } });
          client.ws.send({ event: 'hotsock.umdUpdate', channel, data: { token } });
          return;
        }
        default:
          if (!device.isIn) await client.subscribe(channel);
          device.isIn = true;
      }
    };
    for (let round = 0; round < 25; round++) {
      await Promise.all(devices.filter(() => random(3) > 0).map(act));
    }

    const present = new Set(devices.filter(({ isIn }) => isIn).map(({ uid }) => uid));
    const expected = [...present, 'observer0', 'observer1', 'observer2'].sort();
    const subscriptionsCount = devices.filter(({ isIn }) => isIn).length + observers.length;
    await eventually(async () => {
      const told = await testbed.channel(channel);
      expect(told.members.map(({ uid }: Frame) => uid).sort()).toEqual(expected);
      expect(told.subscriptionsCount).toBe(subscriptionsCount);
    });

    const [longest = []] = await Promise.all(
      observers.map(({ ws }) =>
        eventually(async () => {
          // Metadata may still be on its way.
          const info = await testbed.channel(channel);
          const [subscribed, ...frames] = ws.frames.filter((frame) => frame.channel === channel);
          let members: readonly Frame[] = subscribed.data.members;
          for (const frame of frames.filter(isMemberEvent)) {
            members = after(members, frame);
            expect(frame.data.members).toEqual(members);
          }
          expect(members).toEqual(info.members);
          return frames;
        }),
      ),
    );
    for (const { ws } of observers.slice(1)) {
      const own = ws.frames.filter((frame) => frame.channel === channel).slice(1);
      expect(own).toEqual(longest.slice(longest.length - own.length));
    }
    expect(longest.length).toBeGreaterThan(50);
  },
);

it('counts of standard channels come out right after chaos on three gateways', async () => {
  const random = randomNumbers(7);
  const names = ['s0', 's1', 's2'];
  const clients = await Promise.all(Array.from({ length: 30 }, (_, n) => connect(`u${n}`, null, n)));
  const open = new Map(clients.map((client) => [client, new Set<string>()]));
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      [...open].map(async ([client, channels]) => {
        const name = names[random(3)] ?? 's0';
        if (random(20) === 0) {
          client.ws.socket.terminate();
          open.delete(client);
        } else if (channels.delete(name)) await client.unsubscribe(name);
        else await client.subscribe(name).then(() => channels.add(name));
      }),
    );
  }
  for (const name of names) {
    const expected = [...open.values()].filter((channels) => channels.has(name)).length;
    await eventually(async () => expect((await testbed.channel(name)).subscriptionsCount).toBe(expected));
  }
});

/** One of many members, which only looks at its own beginning: five hundred of them hear of each other. */
function deafMember(uid: string, channel: string, gateway: number): Promise<WebSocket> {
  const token = connectToken({ uid, channels: { [channel]: { autoSubscribe: true } } });
  const socket = new WebSocket(`${testbed.gateways[gateway % 3]?.wsUrl}?token=${token}`);
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      if (data.toString('latin1', 0, 30).startsWith('{"event":"hotsock.subscribed"')) resolve(socket);
    });
  });
}

it('500 subscribers on three gateways that leave at once are all gone, each with one removal (acceptance 3)', async () => {
  const channel = 'presence.storm';
  const sockets: WebSocket[] = [];
  for (let from = 0; from < 500; from += 50) {
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, (_, n) => deafMember(`s${from + n}`, channel, n)))));
  }
  const observer = await connect('observer', null, 0);
  expect((await observer.subscribe(channel)).data.members).toHaveLength(501);
  for (const socket of sockets) socket.terminate();
  await eventually(() => expect(observer.ws.frames.at(-1).data.members).toEqual([{ uid: 'observer', umd: null }]));
  const removed = observer.ws.frames
    .filter(({ event }) => event === 'hotsock.memberRemoved')
    .map(({ data }) => data.member.uid as string);
  expect(removed).toHaveLength(500);
  expect(new Set(removed).size).toBe(500);
  expect(await testbed.channel(channel)).toMatchObject({
    subscriptionsCount: 1,
    members: [{ uid: 'observer', umd: null }],
  });
  await observer.ws.close();
  await eventually(async () => {
    expect(await testbed.channel(channel)).toEqual({ name: channel, subscriptionsCount: 0, members: [] });
  });
});
