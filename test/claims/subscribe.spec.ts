import {
  ALIAS_VECTORS,
  AUTO_SUBSCRIBE_VECTORS,
  BINDING_VECTORS,
  SUBSCRIBE_VECTORS,
  yes,
} from '../../libs/claims/src/testing/subscribe-vectors';
import { type Client, subscribeToken, Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';
import { VectorTests } from './vectors';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

const opened: Client[] = [];
afterEach(() => Promise.all(opened.splice(0).map(({ ws }) => ws.close())));

async function connect(claims: Record<string, unknown>): Promise<Client> {
  const client = await testbed.connect(claims);
  opened.push(client);
  return client;
}

/** The answer to a request: the confirmation, or an error, which names the channel as it was sent. */
async function ask({ ws }: Client, event: string, channel: string, token?: string): Promise<Frame> {
  ws.send({ event: `hotsock.${event}`, channel, data: token === undefined ? undefined : { token } });
  const frame = await ws.next(({ event: answer }) => answer === `hotsock.${event}d` || answer === 'hotsock.error');
  if (frame.event === 'hotsock.error') expect(frame.channel).toBe(channel);
  return frame;
}

const subscribe = (client: Client, channel: string, token?: string) => ask(client, 'subscribe', channel, token);
const unsubscribe = (client: Client, channel: string) => ask(client, 'unsubscribe', channel);

/** Asks, and checks that nothing is subscribed after a refusal. @returns the refusal's code, if there was one */
async function refusal(client: Client, channel: string, token?: string): Promise<string | undefined> {
  const { error } = await subscribe(client, channel, token);
  const after = await unsubscribe(client, channel);
  expect([channel, after.error?.code]).toEqual([channel, error === undefined ? undefined : 'NOT_SUBSCRIBED']);
  return error?.code as string | undefined;
}

/** Claims of a subscribe token for channel `b`. */
const forB = (claims: object) => subscribeToken({ channels: { b: yes }, ...claims });

const vectors = new VectorTests('S');

describe('vectors of the claims of both tokens: a subscription', () => {
  for (const [sentence, channels, ofToken, granted] of SUBSCRIBE_VECTORS) {
    vectors.test(sentence, async () => {
      const client = await connect({ uid: 'u1', channels });
      const token = ofToken && subscribeToken({ uid: 'u1', channels: ofToken });
      for (const [channel, isGranted] of Object.entries(granted)) {
        const expected = isGranted ? undefined : 'SUBSCRIBE_PERMISSION_DENIED';
        expect([channel, await refusal(client, channel, token)]).toEqual([channel, expected]);
      }
    });
  }

  for (const [sentence, channels, , granted] of AUTO_SUBSCRIBE_VECTORS) {
    vectors.test(sentence, async () => {
      const client = await connect({ uid: 'u1', channels });
      for (const [channel, isGranted] of Object.entries(granted)) {
        const frame = await client.ws.next((each) => each.channel === channel);
        expect(frame).toMatchObject(
          isGranted
            ? { event: 'hotsock.subscribed', data: { autoSubscribed: true } }
            : { event: 'hotsock.error', error: { code: 'SUBSCRIBE_PERMISSION_DENIED' } },
        );
        const again = await subscribe(client, channel);
        expect(again.error.code).toBe(isGranted ? 'ALREADY_SUBSCRIBED' : 'SUBSCRIBE_PERMISSION_DENIED');
      }
    });
  }

  vectors.test('S15 to a presence channel needs a uid', async () => {
    const channels = { 'presence.a': yes };
    expect(await refusal(await connect({ channels }), 'presence.a')).toBe('PRESENCE_CHANNEL_USER_ID_REQUIRED');
    expect(await refusal(await connect({ uid: 'u1', channels }), 'presence.a')).toBeUndefined();
  });

  vectors.test('S16 is refused while there is one', async () => {
    const client = await connect({ channels: { a: yes } });
    expect((await subscribe(client, 'a')).event).toBe('hotsock.subscribed');
    expect((await subscribe(client, 'a')).error.code).toBe('ALREADY_SUBSCRIBED');
    expect((await unsubscribe(client, 'a')).event).toBe('hotsock.unsubscribed');
  });
});

describe('vectors of subscribe tokens: a token', () => {
  for (const [sentence, claims, passes] of BINDING_VECTORS) {
    vectors.test(sentence, async () => {
      const client = await connect({ uid: 'u1', umd: 'of the connection' });
      const connectionId = claims.connectionId === 'C1' ? client.id : claims.connectionId;
      const token = forB({ ...claims, connectionId });
      if (!passes) return expect(await refusal(client, 'b', token)).toBe('INVALID_SUBSCRIBE_TOKEN');
      const { uid = 'u1', umd = 'of the connection' } = claims;
      expect(await subscribe(client, 'b', token)).toMatchObject({ channel: 'b', meta: { uid, umd } });
    });
  }

  vectors.test('S19 fails for a real connection that is not the one that presents it', async () => {
    const [client, other] = [await connect({ uid: 'u1' }), await connect({ uid: 'u1' })];
    const token = forB({ connectionId: other.id });
    expect(await refusal(client, 'b', token)).toBe('INVALID_SUBSCRIBE_TOKEN');
    expect(await refusal(other, 'b', token)).toBeUndefined();
  });

  vectors.test('S21 fails with the scope connect', async () => {
    const token = forB({ uid: 'u1', scope: 'connect' });
    expect(await refusal(await connect({ uid: 'u1' }), 'b', token)).toBe('INVALID_SUBSCRIBE_TOKEN');
  });

  vectors.test('S25 that is none fails although the connect token would do', async () => {
    const client = await connect({ uid: 'u1', channels: { a: yes } });
    expect(await refusal(client, 'a', 'garbage')).toBe('INVALID_SUBSCRIBE_TOKEN');
    expect(await refusal(client, 'a')).toBeUndefined();
  });

  vectors.test('S26 for single use passes once', async () => {
    const client = await connect({ uid: 'u1' });
    const token = forB({ uid: 'u1', singleUse: true, jti: 'S26' });
    expect(await refusal(client, 'b', token)).toBeUndefined();
    expect(await refusal(client, 'b', token)).toBe('INVALID_SUBSCRIBE_TOKEN');
  });
});

describe('vectors of aliases: a name', () => {
  for (const [sentence, channels, ofToken, sent, channel, channelAlias] of ALIAS_VECTORS) {
    vectors.test(sentence, async () => {
      const client = await connect({ uid: 'u1', channels });
      const token = ofToken && subscribeToken({ uid: 'u1', channels: ofToken });
      const frame = await subscribe(client, sent, token);
      expect([frame.event, frame.channel]).toEqual(['hotsock.subscribed', channel]);
      expect(frame.meta).toEqual({ channelAlias, uid: 'u1', umd: null });
      expect((await unsubscribe(client, channel)).event).toBe('hotsock.unsubscribed');
    });
  }
});

describe('the vectors of subscriptions', () => vectors.testCompleteness());
