import { io, Socket } from 'socket.io-client';
import { Client, connectToken, subscribeToken, Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';

let testbed: Testbed;
beforeAll(async () => (testbed = await Testbed.start()));
afterAll(() => testbed.stop());

let channels = 0;
const newChannel = (): string => `presence.m${channels++}`;
const ANY = { '*': { subscribe: true, historyStart: 0, messages: { '*': { publish: true } } } };

/** Alternately on one and the other gateway. */
let opened = 0;
function connect(uid: string | undefined, umd?: unknown, claims: object = { channels: ANY }): Promise<Client> {
  return testbed.connect({ uid, umd, ...claims }, testbed.gateways[opened++ % 2]);
}

async function enter(channel: string, uid: string, umd?: unknown): Promise<Client> {
  const client = await connect(uid, umd);
  await client.subscribe(channel);
  return client;
}

const member = (uid: string, umd: unknown = null) => ({ uid, umd });
const frame = (event: string, channel: string, who: object, members: object[]) => ({
  event: `hotsock.${event}`,
  channel,
  data: { member: who, members },
});

/** What a client got of a channel, messages by their data; a message that is seen by everyone ends it. */
async function heard(channel: string, ...clients: Client[]): Promise<Frame[][]> {
  await testbed.publish({ channel, event: 'end' });
  return Promise.all(
    clients.map(async ({ ws }) => {
      const end = await ws.next((one) => one.event === 'end' && one.channel === channel);
      const own = ws.frames.filter((one) => one.channel === channel);
      return own.slice(0, own.indexOf(end));
    }),
  );
}

describe('a presence channel', () => {
  it('tells of users, not of connections (acceptance 1)', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    const first = await enter(channel, 'u', { n: 1 });
    const second = await enter(channel, 'u', { n: 2 });
    await second.unsubscribe(channel);
    await first.ws.close();
    await observer.ws.next('hotsock.memberRemoved');
    const [seen, ofSecond] = await heard(channel, observer).then(([frames]) => [
      frames,
      second.ws.frames.filter((one) => one.channel === channel),
    ]);
    const o = member('o');
    const [one, two] = [member('u', { n: 1 }), member('u', { n: 2 })];
    expect(seen?.slice(1)).toEqual([
      frame('memberAdded', channel, one, [o, one]),
      frame('memberUpdated', channel, two, [o, two]),
      frame('memberRemoved', channel, two, [o]),
    ]);
    expect(ofSecond).toEqual([
      { event: 'hotsock.subscribed', channel, data: { members: [o, two] }, meta: two },
      frame('memberUpdated', channel, two, [o, two]),
      { event: 'hotsock.unsubscribed', channel, data: {} },
    ]);
    expect(first.ws.frames.filter((one) => one.event === 'hotsock.memberAdded')).toEqual([]);
  });

  it('says nothing when a user comes in once more with equal metadata', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    await enter(channel, 'u', { a: 1, b: [2] });
    await enter(channel, 'u', { b: [2], a: 1 });
    const [seen] = await heard(channel, observer);
    expect(seen?.map(({ event }) => event)).toEqual(['hotsock.subscribed', 'hotsock.memberAdded']);
  });

  it('lists members in the order of their first joining', async () => {
    const channel = newChannel();
    await enter(channel, 'z');
    await enter(channel, 'a');
    const again = await enter(channel, 'z');
    const last = await connect('m');
    await again.ws.close();
    const { data } = await last.subscribe(channel);
    expect(data.members.map(({ uid }: Frame) => uid)).toEqual(['z', 'a', 'm']);
    expect(await testbed.channel(channel)).toMatchObject({ members: [member('z'), member('a'), member('m')] });
  });

  it('needs a uid (S15), which the subscribe token may bring', async () => {
    const channel = newChannel();
    const nobody = await connect(undefined);
    nobody.ws.send({ event: 'hotsock.subscribe', channel });
    expect(await nobody.ws.next('hotsock.error')).toMatchObject({
      channel,
      error: { code: 'PRESENCE_CHANNEL_USER_ID_REQUIRED' },
    });
    const token = subscribeToken({
      connectionId: nobody.id,
      uid: 'u9',
      umd: 9,
      channels: { [channel]: { subscribe: true } },
    });
    const { data, meta } = await nobody.subscribe(channel, token);
    expect([data, meta]).toEqual([{ members: [member('u9', 9)] }, member('u9', 9)]);
  });

  it('may be entered by autoSubscribe and by an alias', async () => {
    const channel = newChannel();
    await enter(channel, 'first');
    const claims = { channels: { [channel]: { autoSubscribe: true, alias: 'room' }, b: { autoSubscribe: true } } };
    const client = await connect('u', undefined, claims);
    await client.ws.next((one) => one.channel === 'b');
    expect(client.ws.frames.slice(1)).toEqual([
      {
        event: 'hotsock.subscribed',
        channel,
        data: { autoSubscribed: true, members: [member('first'), member('u')] },
        meta: { channelAlias: 'room', uid: 'u', umd: null },
      },
      { event: 'hotsock.subscribed', channel: 'b', data: { autoSubscribed: true }, meta: member('u') },
    ]);
    client.ws.send({ event: 'hotsock.unsubscribe', channel: 'room' });
    expect(await client.ws.next('hotsock.unsubscribed')).toMatchObject({ channel, meta: { channelAlias: 'room' } });
  });

  it('takes exactly its capacity of members, and changes nothing when one is too many (acceptance 2)', async () => {
    const channel = newChannel();
    const pad = (uid: string, bytes: number) => 'x'.repeat(bytes - JSON.stringify(member(uid, '')).length);
    const full = 102_400;
    // umd is at most 1,024 bytes, so a hundred members of 1,024 bytes each fill the list.
    for (let from = 0; from < 99; from += 33) {
      await Promise.all(
        Array.from({ length: 33 }, (_, n) => `u${from + n}`).map((uid) => enter(channel, uid, pad(uid, 1_024))),
      );
    }
    const left = full - 99 * 1_024;
    const tooMuch = await connect('last', pad('last', left + 1));
    tooMuch.ws.send({ event: 'hotsock.subscribe', channel });
    expect(await tooMuch.ws.next('hotsock.error')).toMatchObject({
      channel,
      error: { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED' },
    });
    expect((await testbed.channel(channel)).members).toHaveLength(99);
    await enter(channel, 'last', pad('last', left));
    const info = await testbed.channel(channel);
    const bytes = info.members.reduce((sum: number, one: Frame) => sum + JSON.stringify(one).length, 0);
    expect([info.members.length, info.subscriptionsCount, bytes]).toEqual([100, 100, full]);
    // Whoever is there already may come in once more.
    await enter(channel, 'last', pad('last', left));
    const another = await connect('x', '');
    another.ws.send({ event: 'hotsock.subscribe', channel });
    expect(await another.ws.next('hotsock.error')).toMatchObject({
      error: { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED' },
    });
  });

  it('lets a subscription begin between two messages, with the list as of that place', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(`u${n}`)));
    const publishing = (async () => {
      for (let n = 0; n < 60; n++) await testbed.publish({ channel, event: 'e', data: n });
    })();
    await Promise.all(clients.map((client) => client.subscribe(channel)));
    await publishing;
    const [seen = [], ...others] = await heard(channel, observer, ...clients);
    for (const own of others) {
      const [subscribed, ...rest] = own;
      expect(subscribed.event).toBe('hotsock.subscribed');
      const uid = subscribed.meta.uid as string;
      // From the place where it was added, it saw what the observer saw.
      const place = seen.findIndex(({ event, data }) => event === 'hotsock.memberAdded' && data.member.uid === uid);
      expect(subscribed.data.members).toEqual(seen[place]?.data.members);
      expect(rest).toEqual(seen.slice(place + 1));
    }
  });

  it('may be left and entered again at once by the same connection', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    const client = await connect('u');
    for (let n = 0; n < 20; n++) {
      client.ws.send({ event: 'hotsock.subscribe', channel });
      client.ws.send({ event: 'hotsock.unsubscribe', channel });
    }
    await client.subscribe(channel);
    for (let n = 0; n < 20; n++) await client.ws.next('hotsock.subscribed');
    const [seen = []] = await heard(channel, observer, client);
    expect(seen.filter(({ event }) => event === 'hotsock.memberAdded')).toHaveLength(21);
    expect(await testbed.channel(channel)).toMatchObject({
      subscriptionsCount: 2,
      members: [member('o'), member('u')],
    });
  });

  it('tells a resuming client who is there, not who came and went', async () => {
    const channel = newChannel();
    await enter(channel, 'o');
    const client = await connect('u');
    await client.subscribe(channel);
    await testbed.publish({ channel, event: 'e', data: 1 });
    const { id } = await client.ws.next('e');
    await client.unsubscribe(channel);
    const passing = await enter(channel, 'p');
    await testbed.publish({ channel, event: 'e', data: 2 });
    await passing.ws.next('e');
    await passing.unsubscribe(channel);
    client.ws.send({ event: 'hotsock.subscribe', channel, data: { after: id } });
    await client.ws.next('hotsock.subscribed');
    const [seen = []] = await heard(channel, client);
    const again = seen.slice(seen.findIndex(({ event }) => event === 'hotsock.unsubscribed') + 1);
    expect(again.map(({ event, data }) => (event === 'hotsock.subscribed' ? data : event + data))).toEqual([
      { resume: { complete: true }, members: [member('o'), member('u')] },
      'e2',
    ]);
  });

  it('has its publisher speak with its metadata, and lets history be read from the first frame on', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    const client = await enter(channel, 'u', { n: 1 });
    expect(await client.list({ channel })).toEqual([]);
    client.ws.send({ event: 'hi', channel, data: 1 });
    expect(await observer.ws.next('hi')).toMatchObject({ data: 1, meta: member('u', { n: 1 }) });
  });

  it('is the same over Socket.IO', async () => {
    const channel = newChannel();
    const observer = await enter(channel, 'o');
    const url = testbed.gateways[0]?.httpUrl ?? '';
    const socket: Socket = io(url, {
      transports: ['websocket'],
      auth: { token: connectToken({ uid: 's', umd: 1, channels: ANY }) },
    });
    const frames: Frame[] = [];
    socket.onAny((_event, one: Frame) => frames.push(one));
    const answer: Frame = await socket.timeout(10_000).emitWithAck('hotsock.subscribe', { channel });
    expect(answer).toMatchObject({ event: 'hotsock.subscribed', data: { members: [member('o'), member('s', 1)] } });
    await enter(channel, 'p');
    const [seen = []] = await heard(channel, observer);
    expect(seen.slice(1).map(({ event, data }) => [event, data.member.uid])).toEqual([
      ['hotsock.memberAdded', 's'],
      ['hotsock.memberAdded', 'p'],
    ]);
    expect(frames.filter(({ event }) => event === 'hotsock.memberAdded').map(({ data }) => data.member.uid)).toEqual([
      'p',
    ]);
    socket.disconnect();
    expect(await observer.ws.next('hotsock.memberRemoved')).toMatchObject({ data: { member: member('s', 1) } });
  });
});
