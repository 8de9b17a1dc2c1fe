import { memoryStore, SubscribeError, type Gap } from '@hearth/client';
import { eventually } from '../support/eventually';
import { anyToken } from './fake-server';
import { client, start } from './with-fake-server';

/** What the client says and does, frame by frame, with a server that a test speaks for (client-library §2, §5). */
const message = (channel: string, id: string, data: unknown = id): object => ({ id, event: 'chat', channel, data });

describe('a channel', () => {
  it('is subscribed once for all who want it, and not any more when nobody does', async () => {
    const server = await start();
    const made = client(server.url);
    await made.connect();
    const peer = await server.peer(1);
    const channel = made.channel('c');
    expect(made.channel('c')).toBe(channel);
    const offs = [channel.on('a', () => undefined), channel.on('*', () => undefined)];
    expect(await peer.frame('hotsock.subscribe')).toEqual({
      event: 'hotsock.subscribe',
      channel: 'c',
      data: { resume: true },
    });
    expect(channel.state).toBe('subscribing');
    peer.subscribed('c', { resume: { token: 't1' } });
    await channel.ready();
    expect(channel.state).toBe('subscribed');
    for (const off of offs) off();
    await peer.frame('hotsock.unsubscribe');
    expect(peer.frames).toHaveLength(2);
  });

  it('that is refused fails, and is asked for again when somebody wants it again', async () => {
    const server = await start();
    const errors: unknown[] = [];
    const made = client(server.url, { onError: (error) => errors.push(error) });
    const channel = made.channel('c');
    const off = channel.on('a', () => undefined);
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    const error = { code: 'SUBSCRIBE_PERMISSION_DENIED', message: 'no' };
    const refused = channel.ready();
    peer.send({ event: 'hotsock.error', channel: 'c', error });
    await expect(refused).rejects.toMatchObject({ name: 'SubscribeError', code: 'SUBSCRIBE_PERMISSION_DENIED' });
    expect(errors).toEqual([expect.any(SubscribeError)]);
    expect(channel.state).toBe('failed');
    off();
    channel.on('a', () => undefined);
    await peer.frame('hotsock.subscribe', 1);
  });

  it('is wanted by who waits for it, and shortly after', async () => {
    const server = await start();
    const channel = client(server.url).channel('c');
    const ready = channel.ready();
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't1' } });
    await ready;
    expect(channel.state).toBe('subscribed');
    await peer.frame('hotsock.unsubscribe');
  });

  it('may be wanted again by whoever is refused for whatever reason', async () => {
    const server = await start();
    const made = client(server.url);
    const channel = made.channel('presence.c');
    const off = channel.on('a', () => undefined);
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    const error = { code: 'PRESENCE_CHANNEL_CAPACITY_REACHED', message: 'full' };
    const refused = channel.ready();
    peer.send({ event: 'hotsock.error', channel: 'presence.c', error });
    await expect(refused).rejects.toMatchObject({ code: 'PRESENCE_CHANNEL_CAPACITY_REACHED' });
    channel.on('b', () => undefined);
    await peer.frame('hotsock.subscribe', 1);
    peer.subscribed('presence.c', { members: [], resume: { token: 't' } });
    await channel.ready();
    off();
    expect(channel.state).toBe('subscribed');
  });

  it('has functions that need nothing of their object, as the official client has', async () => {
    const server = await start();
    const made = client(server.url);
    const { bind, unbind, sendMessage } = made.channels('c');
    const heard: unknown[] = [];
    bind('chat', ({ data }) => heard.push(data));
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    peer.send(message('c', '1'));
    await eventually(() => expect(heard).toEqual(['1']));
    sendMessage('chat', { data: 1 });
    expect(await peer.frame('chat')).toEqual({ channel: 'c', event: 'chat', data: 1 });
    unbind('chat');
    await peer.frame('hotsock.unsubscribe');
  });

  it('is left by a name that a pattern fits, though the pattern remembers where it stopped', async () => {
    const server = await start();
    const made = client(server.url);
    const heard: unknown[] = [];
    made.bind(/^ch/g, ({ data }) => heard.push(data));
    const peer = await server.peer(1);
    peer.send(message('c', '1'));
    await eventually(() => expect(heard).toEqual(['1']));
    made.unbind('chat');
    expect([...made.clientEventBindings.keys()]).toEqual([]);
  });

  it('has no id twice in the life of its client, though it was left in between', async () => {
    const server = await start();
    const made = client(server.url);
    const peer = await server.peer(1);
    const heard: unknown[] = [];
    for (const skip of [0, 1]) {
      const off = made.channel('c').on('chat', ({ id }) => heard.push(id));
      expect((await peer.frame('hotsock.subscribe', skip)).data).toEqual({ resume: true });
      peer.subscribed('c', { resume: { token: 't' } });
      peer.send(message('c', '1'));
      peer.send(message('c', `of ${skip}`));
      await eventually(() => expect(heard).toContain(`of ${skip}`));
      off();
      await peer.frame('hotsock.unsubscribe', skip);
      peer.send({ event: 'hotsock.unsubscribed', channel: 'c', data: {} });
    }
    expect(heard).toEqual(['1', 'of 0', 'of 1']);
  });

  it('is held by those who hold it, not by those who did before the client was terminated', async () => {
    const server = await start();
    const made = client(server.url);
    const [old] = [made.channel('c').on('chat', () => undefined)];
    await (await server.peer(1)).frame('hotsock.subscribe');
    made.terminate();
    made.channel('c').on('chat', () => undefined);
    const peer = await server.peer(2);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    await made.channel('c').ready();
    old();
    expect(made.channel('c').state).toBe('subscribed');
    made.activeConnection.manageSubscriptions();
    made.sendMessage('mark', { channel: 'c' });
    await peer.frame('mark');
    expect(peer.frames.map(({ event }) => event)).toEqual(['hotsock.subscribe', 'mark']);
  });

  it.each([['auto'], ['mine']])(
    'that the server ended is like any other when it is asked for again (%s)',
    async (name) => {
      const meta = { uid: 'u1', ...(name === 'mine' && { channelAlias: 'mine' }) };
      const server = await start();
      const made = client(server.url);
      const subscribed: unknown[] = [];
      const binding = made.bind('hotsock.subscribed', () => subscribed.push(auto()), { channel: name });
      const auto = () => made.activeConnection.find('auto')?.autoSubscribed;
      const peer = await server.peer(1);
      await peer.frame('hotsock.subscribe');
      peer.send({ event: 'hotsock.subscribed', channel: 'auto', data: { autoSubscribed: true }, meta });
      await eventually(() => expect(subscribed).toEqual([true]));
      peer.send({ event: 'hotsock.unsubscribed', channel: 'auto', data: {} });
      expect((await peer.frame('hotsock.subscribe', 1)).channel).toBe(name);
      peer.send({ event: 'hotsock.subscribed', channel: 'auto', data: {}, meta });
      await eventually(() => expect(subscribed).toEqual([true, false]));
      binding.unbind();
      expect((await peer.frame('hotsock.unsubscribe')).channel).toBe('auto');
    },
  );

  it('that is subscribed by itself, under another name, stays the one that it is', async () => {
    const server = await start((peer) => {
      peer.connected();
      const meta = { uid: 'u1', umd: null, channelAlias: 'inbox' };
      peer.socket.once('message', () => {
        peer.send({ event: 'hotsock.subscribed', channel: 'user.1', data: { autoSubscribed: true }, meta });
        // The client had asked before it knew.
        peer.send({ event: 'hotsock.error', channel: 'inbox', error: { code: 'ALREADY_SUBSCRIBED', message: 'x' } });
        peer.send({ id: '1', event: 'note', channel: 'user.1', data: 'hi' });
      });
    });
    const made = client(server.url);
    const heard: unknown[] = [];
    const binding = made.bind('note', ({ data }) => heard.push(data), { channel: 'inbox' });
    const peer = await server.peer(1);
    await eventually(() => expect(heard).toEqual(['hi']));
    expect(Object.keys(made.activeConnection.channels)).toEqual(['user.1']);
    binding.unbind();
    expect(peer.frames.map(({ event }) => event)).toEqual(['hotsock.subscribe']);
  });

  it('calls each handler, though one throws, and none twice for one id (vectors 15, 16)', async () => {
    const server = await start();
    const errors: unknown[] = [];
    const made = client(server.url, { onError: (error) => errors.push(error) });
    const heard: unknown[] = [];
    const channel = made.channel('c');
    channel.on('chat', () => {
      throw new Error('mine');
    });
    channel.on('chat', (() => Promise.reject(new Error('later'))) as () => void);
    channel.on('chat', ({ data }) => heard.push(data));
    made.bind(/chat/, ({ data }) => heard.push(`bound ${data}`), { channel: 'c' });
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    peer.subscribed('c', { resume: { token: 't' } });
    peer.send(message('c', '1'));
    peer.send(message('c', '1'));
    peer.send(message('c', '2'));
    await eventually(() => expect(heard).toEqual(['bound 1', '1', 'bound 2', '2']));
    await eventually(() => expect(errors).toHaveLength(4));
    expect(errors.map((error) => (error as Error).message).sort()).toEqual(['later', 'later', 'mine', 'mine']);
  });
});

describe('a hole', () => {
  async function holed(data: object | undefined, more: object[] = []): Promise<(Gap | string)[]> {
    const server = await start();
    const story: (Gap | string)[] = [];
    const made = client(server.url, { onGap: (gap) => story.push(gap) });
    made.channel('c').on('chat', ({ id }) => story.push(id ?? ''));
    const first = await server.peer(1);
    await first.frame('hotsock.subscribe');
    first.subscribed('c', { resume: { token: 't1' } });
    first.send(message('c', '1'));
    await eventually(() => expect(story).toEqual(['1']));
    if (data !== undefined) {
      first.socket.close(1011);
      const second = await server.peer(2);
      expect((await second.frame('hotsock.subscribe')).data).toEqual({ resume: { after: '1', token: 't1' } });
      second.subscribed('c', data);
      second.send(message('c', '2'));
    } else for (const frame of more) first.send(frame);
    await eventually(() => expect(story).toContain('2'));
    return story;
  }
  const gap = (reason: string, before: string | null = null) => ({ channel: 'c', reason, after: '1', before });

  it('is none when the resume was complete', async () => {
    expect(await holed({ resume: { complete: true, token: 't2' } })).toEqual(['1', '2']);
  });

  it('is told once, before the message behind it (vector 13)', async () => {
    expect(await holed({ resume: { complete: false, token: 't2' } })).toEqual(['1', gap('incomplete'), '2']);
  });

  it('is told when the server does not resume', async () => {
    expect(await holed({})).toEqual(['1', gap('unsupported'), '2']);
  });

  it('is told when the server tells of one (vector 14)', async () => {
    const missed = { event: 'hotsock.messagesMissed', channel: 'c', data: { after: '1', before: '2' } };
    expect(await holed(undefined, [missed, message('c', '2')])).toEqual(['1', gap('missed', '2'), '2']);
  });

  it('in the middle of a connection has members and storage come anew, and is told once', async () => {
    const server = await start();
    const made = client(server.url);
    const gaps: unknown[] = [];
    const channel = made.channel('presence.c');
    channel.onGap(({ reason }) => gaps.push(reason));
    channel.presence.subscribe(() => undefined);
    channel.storage.subscribe(() => undefined);
    const peer = await server.peer(1);
    await peer.frame('hotsock.subscribe');
    const member = (uid: string) => ({ uid, umd: null });
    peer.subscribed('presence.c', { resume: { token: 't1' }, members: [member('a'), member('b')] });
    await eventually(() => expect(channel.presence.members).toHaveLength(2));
    peer.send({ event: 'hotsock.messagesMissed', channel: 'presence.c', data: { after: null, before: null } });
    await peer.frame('hotsock.unsubscribe');
    expect((await peer.frame('hotsock.subscribe', 1)).data).toEqual({ resume: { token: 't1' }, storage: true });
    peer.send({ event: 'hotsock.unsubscribed', channel: 'presence.c', data: {} });
    peer.subscribed('presence.c', { resume: { complete: false, token: 't2' }, members: [member('b')] });
    await eventually(() => expect(channel.presence.members).toEqual([member('b')]));
    expect(gaps).toEqual(['missed']);
  });

  it('has an auto-subscribed channel come anew as well, which stays subscribed though nobody binds to it', async () => {
    const auto = { event: 'hotsock.subscribed', channel: 'presence.c', meta: { uid: 'u1' } };
    const server = await start((peer) => {
      peer.connected();
      peer.send({ ...auto, data: { autoSubscribed: true, members: [{ uid: 'a' }] } });
    });
    const made = client(server.url);
    const { presence } = made.channel('presence.c');
    const release = presence.subscribe(() => undefined);
    const peer = await server.peer(1);
    await eventually(() => expect(presence.members).toHaveLength(1));
    peer.send({ event: 'hotsock.messagesMissed', channel: 'presence.c', data: { after: null, before: null } });
    await peer.frame('hotsock.unsubscribe');
    await peer.frame('hotsock.subscribe');
    peer.send({ event: 'hotsock.unsubscribed', channel: 'presence.c', data: {} });
    peer.send({ ...auto, data: { members: [{ uid: 'b' }] } });
    await eventually(() => expect(presence.members).toEqual([{ uid: 'b', umd: null }]));
    release();
    const { channels } = made.activeConnection;
    made.activeConnection.manageSubscriptions();
    expect(channels['presence.c']).toMatchObject({ state: 'subscribeConfirmed', autoSubscribed: true });
  });

  it('is told of every channel when the server closes for it, and not once more', async () => {
    const server = await start();
    const gaps: Gap[] = [];
    const made = client(server.url, { onGap: (one) => gaps.push(one) });
    for (const name of ['a', 'b']) made.channel(name).hold();
    const first = await server.peer(1);
    for (const skip of [0, 1]) await first.frame('hotsock.subscribe', skip);
    for (const name of ['a', 'b']) first.subscribed(name, { resume: { token: name } });
    await made.channel('b').ready();
    first.socket.close(1013, 'Messages missed');
    await eventually(() =>
      expect(gaps.map(({ channel, reason }) => [channel, reason])).toEqual([
        ['a', 'missed'],
        ['b', 'missed'],
      ]),
    );
    const second = await server.peer(2);
    await second.frame('hotsock.subscribe', 1);
    for (const name of ['a', 'b']) second.subscribed(name, { resume: { complete: false, token: name } });
    await made.channel('b').ready();
    expect(gaps).toHaveLength(2);
  });

  it('of an auto-subscribed channel is asked for in the connect URL', async () => {
    const token = anyToken({ uid: 'u1', channels: { auto: { autoSubscribe: true } } });
    const server = await start((peer) => {
      peer.connected();
      peer.subscribed('auto', { autoSubscribed: true, resume: { token: 't' } });
      peer.send(message('auto', '7'));
    });
    const store = memoryStore();
    const made = client(server.url, { connectTokenFn: () => token, resumeStore: store });
    const heard: unknown[] = [];
    made.bind('chat', ({ id }) => heard.push(id));
    await eventually(() => expect(heard).toEqual(['7']));
    made.suspend();
    made.resume();
    const second = await server.peer(2);
    const asked = JSON.parse(Buffer.from(second.query.get('resume') ?? '', 'base64url').toString());
    expect(asked).toEqual({ auto: { after: '7', token: 't' } });
    // A new client with the store, as after a reload.
    const again = client(server.url, { connectTokenFn: () => token, resumeStore: store });
    await again.connect();
    const third = await server.peer(3);
    expect(JSON.parse(Buffer.from(third.query.get('resume') ?? '', 'base64url').toString())).toEqual(asked);
  });
});
