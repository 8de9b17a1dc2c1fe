import { API_KEY } from '../support/installation';
import { eventually } from '../support/eventually';
import type { Frame, WsClient } from '../support/ws-client';
import type { Manager } from './manager';

/** What is shared with the other tests of an installation of two gateways. */
interface Shared {
  readonly manager: Manager;
  /** A connection to one of them, subscribed to channels. */
  readonly open: (gateway: 0 | 1, claims: Record<string, unknown>, ...channels: string[]) => Promise<WsClient>;
}

const idOf = (client: WsClient): string => client.frames[0].data.connectionId;

/** Why somebody did not get a message (management-api §2). */
export function describeInspector(shared: () => Shared): void {
  it('is what its connections got of it, those that have ended as well', async () => {
    const { manager, open } = shared();
    const reader = await open(0, { uid: 'reader' }, 'trace');
    const writer = await open(1, { uid: 'writer' }, 'trace');
    const stranger = await open(1, { uid: 'stranger', channels: { other: { subscribe: true } } });
    writer.send({ event: 'said', channel: 'trace', data: 1 });
    const { id } = await reader.next('said');
    const late = await open(0, { uid: 'late' }, 'trace');
    const trace = async (query: string, of = id) =>
      (await manager.get(`/channels/trace/messages/${of}/delivery?${query}`)).json;
    const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);

    expect(await trace('uid=reader')).toEqual({
      message: {
        ...{ id, channel: 'trace', at: instant, event: 'said' },
        ...{ position: expect.stringMatching(/^\d+$/), isDelivered: true, isStored: false },
      },
      connections: [
        {
          ...{ id: idOf(reader), uid: 'reader', connectedAt: instant, subscribedAt: instant },
          ...{ maySubscribe: true, verdict: 'sent', waitingBytes: 0, end: null },
        },
      ],
      isCut: false,
      complete: true,
    });
    expect((await trace('uid=reader', 'last')).message).toMatchObject({ id, event: 'said' });
    expect((await manager.get('/channels/silent/messages/last/delivery?uid=u')).status).toBe(404);
    const verdictOf = async (client: WsClient, of = id) => {
      const { connections } = await trace(`connectionId=${encodeURIComponent(idOf(client))}`, of);
      expect(connections).toHaveLength(1);
      return connections[0].verdict;
    };
    expect(await verdictOf(writer)).toBe('own');
    expect(await verdictOf(late)).toBe('subscribedLater');
    expect(await verdictOf(stranger)).toBe('notSubscribed');
    expect((await trace('uid=stranger')).connections).toMatchObject([{ maySubscribe: false, subscribedAt: null }]);
    expect((await trace('uid=nobody')).connections).toEqual([]);

    // Connections that have ended, by themselves or because somebody closed them.
    await late.close();
    await manager.call('DELETE', `/connections/${idOf(reader)}`);
    writer.send({ event: 'said', channel: 'trace', data: 2 });
    await manager.as(API_KEY).post('/publish', { channel: 'trace', event: 'mark' });
    await writer.next('mark');
    expect((await trace('uid=reader', 'last')).connections).toMatchObject([
      { id: idOf(reader), verdict: 'endedBefore', maySubscribe: null, end: { at: instant, code: 4403 } },
    ]);
    const of = (uid: string) => trace(`uid=${uid}`);
    expect((await of('reader')).connections).toMatchObject([{ verdict: 'sent', subscribedAt: instant }]);
    const end = { at: instant, code: null, reason: null };
    await eventually(async () =>
      expect((await of('late')).connections).toMatchObject([{ verdict: 'subscribedLater', end }]),
    );
    const again = await open(0, { uid: 'reader' }, 'trace');
    expect((await of('reader')).connections.map(({ id: one }: Frame) => one)).toEqual([idOf(again), idOf(reader)]);

    const none = '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ';
    expect((await trace('uid=reader', none)).message).toMatchObject({
      isDelivered: false,
      isStored: false,
      position: null,
    });
    expect(await verdictOf(again, none)).toBe('noSuchMessage');
    for (const [query, code] of [
      ['', 'MISSING_FIELD'],
      ['uid=a&connectionId=b', 'INVALID_SELECTOR'],
    ] as const)
      expect((await trace(query)).error.code).toBe(code);
  });
}
