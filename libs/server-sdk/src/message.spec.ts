import { encodeMessage } from './message';

const bytes = (input: object) => new TextDecoder().decode(encodeMessage(input));

describe('the bytes of a message (server-sdk §3)', () => {
  it('are event and channel, in this order, when there is nothing else', () => {
    expect(bytes({ channel: 'c', event: 'e' })).toBe('{"event":"e","channel":"c"}');
  });

  it('hold the known options', () => {
    const message = {
      store: 100,
      channel: 'mychannel',
      data: 'mydata',
      deduplicationId: 'noduplicates',
      eagerIdGeneration: true,
      emitPubSubEvent: true,
      event: 'myevent',
      key: 'k',
      scheduleExpression: 'at(2030-01-01T00:00:00)',
      scheduleExpressionTimezone: 'Europe/Berlin',
    };
    expect(bytes(message)).toBe(
      '{"event":"myevent","channel":"mychannel","store":100,"data":"mydata","deduplicationId":"noduplicates",' +
        '"eagerIdGeneration":true,"emitPubSubEvent":true,"key":"k","scheduleExpression":"at(2030-01-01T00:00:00)",' +
        '"scheduleExpressionTimezone":"Europe/Berlin"}',
    );
  });

  it('hold unknown options unchanged', () => {
    expect(bytes({ event: 'e', channel: 'c', someNewParam: true, anotherNewParam: 'stringy' })).toBe(
      '{"event":"e","channel":"c","someNewParam":true,"anotherNewParam":"stringy"}',
    );
  });

  it.each([
    [null, 'null'],
    [false, 'false'],
    [0, '0'],
    ['', '""'],
    ['👋', '"👋"'],
    [{ a: [1, { b: null }] }, '{"a":[1,{"b":null}]}'],
  ])('hold data that is %p', (data, json) => {
    expect(bytes({ channel: 'c', event: 'e', data })).toBe(`{"event":"e","channel":"c","data":${json}}`);
  });

  it('leave out what is undefined', () => {
    expect(bytes({ channel: 'c', event: 'e', data: undefined, store: undefined, x: undefined })).toBe(
      '{"event":"e","channel":"c"}',
    );
  });

  it('are not checked for what the server checks', () => {
    expect(bytes({ channel: '', event: '', store: 'x' })).toBe('{"event":"","channel":"","store":"x"}');
  });

  it.each<[string, unknown]>([
    ['channel must be a string', { event: 'e' }],
    ['channel must be a string', { event: 'e', channel: null }],
    ['channel must be a string', { event: 'e', channel: 1 }],
    ['event must be a string', { channel: 'c' }],
    ['event must be a string', { channel: 'c', event: Symbol('e') }],
    ['the message must be an object', undefined],
    ['the message must be an object', 'c'],
    ['store is NaN', { channel: 'c', event: 'e', store: NaN }],
    ['store is Infinity', { channel: 'c', event: 'e', store: Infinity }],
    ['the message cannot be written as JSON', { channel: 'c', event: 'e', data: 1n }],
  ])('cannot be made: %s', (problem, input) => {
    expect(() => encodeMessage(input as object)).toThrow(
      expect.objectContaining({ name: 'ArgumentError', message: problem }),
    );
  });
});
