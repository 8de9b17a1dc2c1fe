import { encodeToken, eventSubject } from '@hearth/wire';
import type { StreamMessage } from '@hearth/stream';
import { webhookEventOf } from './webhook-event';

function message(subject: string, payload = '{}', messageId?: string): StreamMessage {
  return { sequence: 7, timeNs: '0', timeMs: 0, subject, messageId, payload: Buffer.from(payload), pending: 0 };
}

const orderingKeyOf = (subject: string, payload?: string) => webhookEventOf(message(subject, payload), 0).orderingKey;
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
    expect(orderingKeyOf(inChannel('c'))).toBe(orderingKeyOf(inChannel('c', 'messageReactionAdded')));
    expect(orderingKeyOf(inChannel('c'))).not.toBe(orderingKeyOf(inChannel('d')));
    const connection = (id: string) =>
      orderingKeyOf(inChannel(undefined, 'connected'), JSON.stringify({ data: { id } }));
    expect(connection('AAAA')).toBe(connection('AAAA'));
    expect(connection('AAAA')).not.toBe(connection('BBBB'));
    expect(connection('c')).not.toBe(orderingKeyOf(inChannel('c')));
  });

  it('in a channel with the longest name there is has an ordering key that fits into an index', () => {
    const keys = ['a', 'b'].map((last) => orderingKeyOf(inChannel('😀'.repeat(255) + last)));
    expect(keys.map((key) => key.length)).toEqual([44, 44]);
    expect(keys[0]).not.toBe(keys[1]);
  });

  it.each([
    ['not JSON', '{'],
    ['null', 'null'],
    ['without data', '{}'],
    ['with another id', '{"data":{"id":5}}'],
  ])('that is %s is passed on', (_what, payload) => {
    expect(orderingKeyOf(inChannel(undefined, 'connected'), payload)).toBe('~');
  });

  it('with a channel that Postgres has no text for is passed on without it', () => {
    for (const token of [encodeToken('a\u0000b'), '%zz']) {
      expect(webhookEventOf(message(`hearth.events.v1.message.messagePublished.${token}`), 0).channel).toBeUndefined();
    }
  });
});
