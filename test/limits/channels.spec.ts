import { type Client, Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';

/** How much there may be in a channel (limits §2): clients are refused, backends are not. */

let testbed: Testbed;

beforeAll(async () => {
  testbed = await Testbed.start({
    HEARTH_LIMIT_CHANNEL_MEMBERS: '2',
    HEARTH_LIMIT_CHANNEL_STORAGE_KEYS: '2',
    HEARTH_LIMIT_CHANNEL_SCHEDULES: '2',
    HEARTH_LIMIT_MESSAGE_REACTIONS: '2',
  });
});
afterAll(() => testbed?.stop());

const NEXT_YEAR = `at(${new Date(Date.now() + 300 * 86_400_000).toISOString().slice(0, 19)})`;
const CHANNEL = {
  subscribe: true,
  messages: { '*': { publish: true, store: 600, react: true, scheduleBefore: 4_000_000_000 } },
  storage: { '*': { get: true, set: true, scheduleBefore: 4_000_000_000 } },
};

const open = (uid = 'u'): Promise<Client> => testbed.connect({ uid, channels: { '*': CHANNEL } });

/** What a client is refused with, if it is. */
async function refusalOf({ ws }: Client, frame: object): Promise<Frame> {
  const before = ws.frames.length;
  ws.send(frame);
  ws.send({ event: 'hotsock.ping' });
  await ws.next('hotsock.pong');
  return ws.frames.slice(before).find(({ event }) => event === 'hotsock.error')?.error;
}

const reached = (limit: string) => ({ code: 'LIMIT_REACHED', message: expect.any(String), limit, max: 2 });

it('members of a presence channel have a cap; who is there already may come again', async () => {
  for (const uid of ['a', 'b']) await (await open(uid)).subscribe('presence.c');
  const client = await open('c');
  client.ws.send({ event: 'hotsock.subscribe', channel: 'presence.c' });
  const { error } = await client.ws.next('hotsock.error');
  expect(error).toEqual({ code: 'PRESENCE_CHANNEL_CAPACITY_REACHED', message: expect.any(String) });
  await (await open('a')).subscribe('presence.c');
});

it('storage keys of a channel have a cap; what is there may be replaced and cleared, and backends go on', async () => {
  const client = await open();
  const set = (key: string, data: unknown = 1) => ({ event: 'hotsock.channelStorageSet', channel: 's', key, data });
  for (const key of ['a', 'b']) expect(await refusalOf(client, set(key))).toBeUndefined();
  expect(await refusalOf(client, set('c'))).toEqual(reached('channelStorageKeys'));
  const overHttp = await client.call('channelStorageSet', { channel: 's', key: 'c', data: 1 });
  expect([overHttp.status, overHttp.json.error]).toEqual([409, reached('channelStorageKeys')]);
  expect(await refusalOf(client, set('a', 2))).toBeUndefined();
  await testbed.publish({ channel: 's', event: 'hotsock.channelStorageSet', key: 'd', data: 1 });
  for (const key of ['a', 'b', 'd']) expect(await refusalOf(client, set(key, null))).toBeUndefined();
  expect(await refusalOf(client, set('c'))).toBeUndefined();
});

it('what is due later in a channel has a cap, messages and writes together', async () => {
  const client = await open();
  await client.subscribe('l');
  const later = (event: string, more = {}) => ({
    event,
    channel: 'l',
    data: 1,
    scheduleExpression: NEXT_YEAR,
    ...more,
  });
  const write = later('hotsock.channelStorageSet', { key: 'k' });
  expect(await refusalOf(client, later('e'))).toBeUndefined();
  expect(await refusalOf(client, write)).toBeUndefined();
  for (const frame of [later('e'), write]) {
    expect(await refusalOf(client, frame)).toEqual(reached('channelSchedules'));
  }
  const overHttp = await client.call('publishMessage', later('e'));
  expect([overHttp.status, overHttp.json.error]).toEqual([409, reached('channelSchedules')]);
  await testbed.publish(later('e'));
  expect(await refusalOf(client, { event: 'e', channel: 'l', data: 1 })).toBeUndefined();
});

it('reactions of a user to a message have a cap; the same again and removing are none', async () => {
  const [messageId] = await testbed.store('r', 1);
  const [client, other] = [await open('u1'), await open('u2')];
  for (const one of [client, other]) await one.subscribe('r');
  const react = (reaction: string, action = 'add') => ({
    event: 'hotsock.messageReaction',
    channel: 'r',
    data: { messageId, reaction, action },
  });
  for (const reaction of ['x', 'y']) expect(await refusalOf(client, react(reaction))).toBeUndefined();
  expect(await refusalOf(client, react('z'))).toEqual(reached('messageReactions'));
  expect(await refusalOf(client, react('x'))).toBeUndefined();
  expect(await refusalOf(other, react('z'))).toBeUndefined();
  expect(await refusalOf(client, react('x', 'remove'))).toBeUndefined();
  expect(await refusalOf(client, react('z'))).toBeUndefined();
});
