import { ClientFrameError, parseClientFrame } from './client-frame';

describe('parseClientFrame (websocket-protocol §3, §6)', () => {
  it.each<[string, object]>([
    ['{"event":"hotsock.subscribe","channel":"c"}', { kind: 'subscribe', channel: 'c' }],
    ['{"event":"hotsock.subscribe","channel":"c","data":null}', { kind: 'subscribe', channel: 'c' }],
    [
      '{"event":"hotsock.subscribe","channel":"c","data":{"token":"t"}}',
      { kind: 'subscribe', channel: 'c', token: 't' },
    ],
    [
      '{"event":"hotsock.subscribe","channel":"c","data":{"after":"01ja3s0tnec2qbymzrbmcexgnw"}}',
      { kind: 'subscribe', channel: 'c', after: '01JA3S0TNEC2QBYMZRBMCEXGNW' },
    ],
    ['{"event":"hotsock.unsubscribe","channel":"c"}', { kind: 'unsubscribe', channel: 'c' }],
    ['{"event":"hotsock.ping"}', { kind: 'ping' }],
    ['{"event":"hotsock.pong","data":{}}', { kind: 'pong' }],
    ['{"event":"hotsock.heartbeat"}', { kind: 'heartbeat' }],
    ['{"channel":"c","event":"chat","data":"hi"}', { kind: 'message', channel: 'c', event: 'chat', data: '"hi"' }],
    [
      '{"channel":"c","event":"chat","store":-1,"deduplicationId":7}',
      { kind: 'message', channel: 'c', event: 'chat', data: 'null' },
    ],
    [
      '{"channel":"__proto__","event":"__proto__"}',
      { kind: 'message', channel: '__proto__', event: '__proto__', data: 'null' },
    ],
  ])('understands %s', (text, expected) => {
    expect(parseClientFrame(text, Date.now)).toEqual(expected);
  });

  it.each<[string, string, string | undefined]>([
    ['', 'MALFORMED_MESSAGE', undefined],
    ['x', 'MALFORMED_MESSAGE', undefined],
    ['[]', 'MALFORMED_MESSAGE', undefined],
    ['null', 'MALFORMED_MESSAGE', undefined],
    ['"x"', 'MALFORMED_MESSAGE', undefined],
    ['{}', 'MISSING_FIELD', undefined],
    ['{"event":null,"channel":"c"}', 'MISSING_FIELD', 'c'],
    ['{"event":"","channel":"c"}', 'MISSING_FIELD', 'c'],
    ['{"event":["x"],"channel":"c"}', 'INVALID_TYPE', 'c'],
    ['{"event":"e","channel":1}', 'INVALID_TYPE', undefined],
    ['{"event":"hotsock.foo","channel":"c"}', 'UNKNOWN_EVENT', 'c'],
    ['{"event":"a*","channel":"c"}', 'INVALID_EVENT', 'c'],
    ['{"event":"#a","channel":"c"}', 'INVALID_EVENT', 'c'],
    ['{"event":"e"}', 'MISSING_FIELD', undefined],
    ['{"event":"hotsock.subscribe"}', 'MISSING_FIELD', undefined],
    ['{"event":"e","channel":"a b"}', 'INVALID_CHANNEL', 'a b'],
    ['{"event":"hotsock.subscribe","channel":"c","data":7}', 'INVALID_TYPE', 'c'],
    ['{"event":"hotsock.subscribe","channel":"c","data":{"token":7}}', 'INVALID_SUBSCRIBE_TOKEN', 'c'],
    ['{"event":"hotsock.subscribe","channel":"c","data":{"after":"x"}}', 'INVALID_TYPE', 'c'],
    ['{"event":"hotsock.channelStorageSet","channel":"c"}', 'INVALID_STORAGE_KEY', 'c'],
    ['{"event":"hotsock.channelStorageGet","channel":"c","key":"a b"}', 'INVALID_STORAGE_KEY', 'c'],
    ['{"event":"hotsock.umdUpdate"}', 'MISSING_FIELD', undefined],
    ['{"event":"hotsock.umdUpdate","channel":"c","data":{"token":1}}', 'INVALID_UMD_TOKEN', 'c'],
    ['{"event":"hotsock.messageReaction","channel":"c","data":{}}', 'INVALID_REACTION', 'c'],
    ['{"event":"e","channel":"c","scheduleExpression":"at(2020-01-01T00:00:00)"}', 'INVALID_SCHEDULE', 'c'],
    ['{"event":"e","channel":"c","scheduleExpression":"rate(1 day)"}', 'INVALID_SCHEDULE', 'c'],
    [`{"event":"e","channel":"c","data":"${'x'.repeat(32_767)}"}`, 'DATA_TOO_LARGE', 'c'],
    [`{"event":"e","channel":"c","data":${'['.repeat(16_000)}${']'.repeat(16_000)}}`, 'MALFORMED_MESSAGE', 'c'],
  ])('refuses %.60s with %s', (text, code, channel) => {
    let caught: unknown;
    try {
      parseClientFrame(text, Date.now);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(ClientFrameError);
    expect(caught).toMatchObject({ code, channel });
  });

  it('ignores a byte order mark, as bodies may begin with one', () => {
    expect(parseClientFrame('\ufeff{"event":"hotsock.ping"}', Date.now)).toEqual({ kind: 'ping' });
    expect(() => parseClientFrame('\ufeff\ufeff{}', Date.now)).toThrow(ClientFrameError);
  });

  it('tells a refusal apart by its ref, of an event that nobody knows too', () => {
    const refused = (frame: object): unknown => {
      try {
        return parseClientFrame(JSON.stringify(frame), () => 0);
      } catch (error) {
        const { code, ref } = error as ClientFrameError;
        return [code, ref];
      }
    };
    expect(refused({ event: 'hotsock.foo', channel: 'c', ref: 'r1' })).toEqual(['UNKNOWN_EVENT', 'r1']);
    expect(refused({ event: 'a*', channel: 'c', ref: 'r1' })).toEqual(['INVALID_EVENT', 'r1']);
    expect(refused({ event: 'hotsock.subscribe', ref: 'r1' })).toEqual(['MISSING_FIELD', undefined]);
  });
});
