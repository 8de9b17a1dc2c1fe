import { encodeToken, eventSubject } from '@hearth/wire';
import type { StreamMessage } from '@hearth/stream';
import { headers } from 'nats';
import { webhookEventOf } from './webhook-event';

function message(subject: string, payload = '{}', id?: string): StreamMessage {
  const all = headers();
  if (id !== undefined) all.set('Nats-Msg-Id', id);
  const payloadBytes = Buffer.from(payload);
  return { sequence: 7, timeNs: '0', timeMs: 0, subject, headers: all, payload: payloadBytes, pending: 0 };
}

const laneOf = (subject: string, payload?: string) => webhookEventOf(message(subject, payload), 0).lane;
const inChannel = (channel: string | undefined, type = 'messagePublished') =>
  eventSubject('hearth.events.v1', 'message', type, channel);

describe('an event of the stream', () => {
  it('is named by its message id, type and channel', () => {
    expect(webhookEventOf(message(inChannel('a.b'), '{}', '01JABC'), 2)).toMatchObject({
      id: '01JABC',
      type: 'hotsock.messagePublished',
      channel: 'a.b',
      streamEpoch: 2,
      sequence: 7,
    });
  });

  it('without an id that can be signed has one by its place', () => {
    expect(webhookEventOf(message(inChannel('c')), 2).id).toBe('event-2-7');
    expect(webhookEventOf(message(inChannel('c'), '{}', 'a.b'), 2).id).toBe('event-2-7');
  });

  it('is in order with the others of its channel or its connection', () => {
    expect(laneOf(inChannel('c'))).toBe(laneOf(inChannel('c', 'messageReactionAdded')));
    expect(laneOf(inChannel('c'))).not.toBe(laneOf(inChannel('d')));
    const connection = (id: string) => laneOf(inChannel(undefined, 'connected'), JSON.stringify({ data: { id } }));
    expect(connection('AAAA')).toBe(connection('AAAA'));
    expect(connection('AAAA')).not.toBe(connection('BBBB'));
    expect(connection('c')).not.toBe(laneOf(inChannel('c')));
  });

  it('in a channel with the longest name there is has a lane that fits into an index', () => {
    const lanes = ['a', 'b'].map((last) => laneOf(inChannel('😀'.repeat(255) + last)));
    expect(lanes.map((lane) => lane.length)).toEqual([44, 44]);
    expect(lanes[0]).not.toBe(lanes[1]);
  });

  it.each([
    ['not JSON', '{'],
    ['null', 'null'],
    ['without data', '{}'],
    ['with another id', '{"data":{"id":5}}'],
  ])('that is %s is passed on', (_what, payload) => {
    expect(laneOf(inChannel(undefined, 'connected'), payload)).toBe('~');
  });

  it('with a channel that Postgres has no text for is passed on without it', () => {
    for (const token of [encodeToken('a\u0000b'), '%zz']) {
      expect(webhookEventOf(message(`hearth.events.v1.message.messagePublished.${token}`), 0).channel).toBeUndefined();
    }
  });
});
