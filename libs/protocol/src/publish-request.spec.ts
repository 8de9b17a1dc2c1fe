import fc from 'fast-check';
import { ProtocolError } from './errors';
import * as doors from './publish-request';
import type { UnknownFields } from './unknown-fields';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
const parsePublishRequest = (body: Uint8Array, unknownFields?: UnknownFields) =>
  doors.parsePublishRequest(body, Date.now, unknownFields);
const parsePublishBatch = (body: Uint8Array, unknownFields?: UnknownFields) =>
  [...doors.batchDocuments(body, 1_000)].map((document, index) =>
    doors.parseBatchDocument(document, index, Date.now, unknownFields),
  );
const parse = (document: unknown) => parsePublishRequest(bytes(JSON.stringify(document)));

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return 'accepted';
}

const code = (document: unknown): string => codeOf(() => parse(document));
const base = { channel: 'c', event: 'e' };

describe('parsePublishRequest (publish-api §3)', () => {
  it('fills in the defaults', () => {
    expect(parse(base)).toEqual({
      channel: 'c',
      event: 'e',
      data: 'null',
      deduplicationId: undefined,
      eagerIdGeneration: false,
      emitPubSubEvent: false,
      store: 0,
    });
  });

  it('ignores unknown members and treats null as absent, as older libraries send both', () => {
    const stray = { deduplication_id: null, deduplicationId: null, store: null, eagerIdGeneration: null, x: 1 };
    expect(parse({ ...base, ...stray })).toEqual({ ...parse(base), unknownNames: ['x'] });
  });

  it.each<[string, unknown, string]>([
    ['a 256-character channel', { ...base, channel: 'c'.repeat(256) }, 'accepted'],
    ['a channel of 256 code points outside the BMP', { ...base, channel: '😀'.repeat(256) }, 'accepted'],
    ['a 257-character channel', { ...base, channel: 'c'.repeat(257) }, 'INVALID_CHANNEL'],
    ['257 code points', { ...base, channel: '😀'.repeat(257) }, 'INVALID_CHANNEL'],
    ['an empty channel', { ...base, channel: '' }, 'INVALID_CHANNEL'],
    ['an asterisk in the channel', { ...base, channel: 'a*b' }, 'INVALID_CHANNEL'],
    ['a number sign in the channel', { ...base, channel: 'a#b' }, 'INVALID_CHANNEL'],
    ['a comma in the channel', { ...base, channel: 'a,b' }, 'INVALID_CHANNEL'],
    ['a space in the channel', { ...base, channel: 'a b' }, 'INVALID_CHANNEL'],
    ['a no-break space in the channel', { ...base, channel: 'a\u00a0b' }, 'INVALID_CHANNEL'],
    ['a newline in the channel', { ...base, channel: 'a\n' }, 'INVALID_CHANNEL'],
    ['a null character in the channel', { ...base, channel: 'a\u0000' }, 'INVALID_CHANNEL'],
    ['DEL in the channel', { ...base, channel: 'a\u007f' }, 'INVALID_CHANNEL'],
    ['a lone surrogate in the channel', { ...base, channel: 'a\ud800' }, 'INVALID_CHANNEL'],
    ['__proto__ as names', { channel: '__proto__', event: '__proto__' }, 'accepted'],
    ['a numeric channel', { ...base, channel: 1 }, 'INVALID_TYPE'],
    ['no channel', { event: 'e' }, 'MISSING_FIELD'],
    ['a null channel', { ...base, channel: null }, 'MISSING_FIELD'],
    ['no event', { channel: 'c' }, 'MISSING_FIELD'],
    ['an empty event', { ...base, event: '' }, 'MISSING_FIELD'],
    ['a 128-character event', { ...base, event: 'e'.repeat(128) }, 'accepted'],
    ['a 129-character event', { ...base, event: 'e'.repeat(129) }, 'INVALID_EVENT'],
    ['an event with spaces and an inner number sign', { ...base, event: 'a b#c' }, 'accepted'],
    ['a leading number sign', { ...base, event: '#x' }, 'INVALID_EVENT'],
    ['an asterisk in the event', { ...base, event: 'a*b' }, 'INVALID_EVENT'],
    ['a reserved event', { ...base, event: 'hotsock.x' }, 'INVALID_EVENT'],
    ['a name that only looks reserved', { ...base, event: 'Hotsock.x' }, 'accepted'],
    ['a null character in the event', { ...base, event: 'a\u0000' }, 'INVALID_EVENT'],
    ['channel storage', { ...base, event: 'hotsock.channelStorageSet', key: 'k' }, 'accepted'],
    ['channel storage without a key', { ...base, event: 'hotsock.channelStorageSet' }, 'INVALID_STORAGE_KEY'],
    [
      'channel storage kept for no time',
      { ...base, event: 'hotsock.channelStorageSet', key: 'k', store: 0 },
      'INVALID_STORE',
    ],
    ['a reaction without its members', { ...base, event: 'hotsock.messageReaction', data: {} }, 'INVALID_REACTION'],
    ['a schedule', { ...base, scheduleExpression: 'at(2930-01-01T00:00:00)' }, 'accepted'],
    ['a schedule in the past', { ...base, scheduleExpression: 'at(2020-01-01T00:00:00)' }, 'INVALID_SCHEDULE'],
    ['a time zone alone', { ...base, scheduleExpressionTimezone: 'UTC' }, 'accepted'],
    ['store 0', { ...base, store: 0 }, 'accepted'],
    ['store -1', { ...base, store: -1 }, 'accepted'],
    ['the longest store', { ...base, store: 3155695200 }, 'accepted'],
    ['a longer store', { ...base, store: 3155695201 }, 'INVALID_STORE'],
    ['store -2', { ...base, store: -2 }, 'INVALID_STORE'],
    ['a fraction', { ...base, store: 1.5 }, 'INVALID_STORE'],
    ['store as text', { ...base, store: '60' }, 'INVALID_TYPE'],
    ['a boolean as text', { ...base, eagerIdGeneration: 'true' }, 'INVALID_TYPE'],
    ['a 128-character deduplicationId', { ...base, deduplicationId: 'd'.repeat(128) }, 'accepted'],
    ['a 129-character deduplicationId', { ...base, deduplicationId: 'd'.repeat(129) }, 'INVALID_DEDUPLICATION_ID'],
    ['a null character in it', { ...base, deduplicationId: '\u0000' }, 'INVALID_DEDUPLICATION_ID'],
    ['a string of exactly 32,768 bytes', { ...base, data: 'x'.repeat(32_766) }, 'accepted'],
    ['one byte more', { ...base, data: 'x'.repeat(32_767) }, 'DATA_TOO_LARGE'],
    ['an array', [], 'MALFORMED_MESSAGE'],
    ['null', null, 'MALFORMED_MESSAGE'],
    ['a number', 7, 'MALFORMED_MESSAGE'],
  ])('%s → %s', (_, document, expected) => {
    expect(code(document)).toBe(expected);
  });

  it('accepts 2592000.0 as an integer', () => {
    expect(parsePublishRequest(bytes('{"channel":"c","event":"e","store":2592000.0}')).store).toBe(2_592_000);
  });

  it.each<[string, string]>([
    ['', 'MALFORMED_MESSAGE'],
    ['{', 'MALFORMED_MESSAGE'],
    ['{"channel":"c","event":"e"} x', 'MALFORMED_MESSAGE'],
    ['{"channel":"c","event":"e","data":NaN}', 'MALFORMED_MESSAGE'],
  ])('refuses %j', (text, expected) => {
    expect(codeOf(() => parsePublishRequest(bytes(text)))).toBe(expected);
  });

  it('refuses bytes that are not UTF-8', () => {
    const body = Buffer.concat([bytes('{"channel":"c","event":"e","data":"'), Buffer.from([0xff]), bytes('"}')]);
    expect(codeOf(() => parsePublishRequest(body))).toBe('MALFORMED_MESSAGE');
  });

  it('names the field, the expected and the received type', () => {
    expect(() => parse({ ...base, event: ['x'] })).toThrow('event must be a string, got an array');
  });

  it('reports types first, then what is missing, then rules in table order', () => {
    expect(code({ channel: 'a b', event: 'e', store: 'x' })).toBe('INVALID_TYPE');
    expect(code({ channel: 'a b' })).toBe('MISSING_FIELD');
    expect(code({ channel: 'a b', event: 'hotsock.x', store: -5 })).toBe('INVALID_CHANNEL');
    expect(code({ channel: 'c', event: 'hotsock.x', store: -5 })).toBe('INVALID_EVENT');
  });

  it.each([
    '12345678901234567890',
    '-0',
    '1e400',
    '{"b":1,"a":2,"1":3,"__proto__":4}',
    '"\\u0000\\ud800"',
    ' [ 1 , 2 ] ',
    'false',
    '0',
    '""',
    'null',
    '{"data":{"data":1}}',
    '"a \\" quote and \\\\"',
  ])('keeps data as written: %s', (data) => {
    expect(parsePublishRequest(bytes(`{"event":"e","data":${data},"channel":"c"}`)).data).toBe(data.trim());
  });

  it('takes the last of several members with one name, also when its name is escaped', () => {
    expect(parsePublishRequest(bytes('{"channel":"c","event":"e","data":1,"d\\u0061ta":2}')).data).toBe('2');
  });

  it('counts strings in their shortest spelling, so that escaped text has no smaller limit', () => {
    const escaped = '\\u00e9'.repeat(16_383);
    expect(codeOf(() => parsePublishRequest(bytes(`{"channel":"c","event":"e","data":"${escaped}"}`)))).toBe(
      'accepted',
    );
    const over = '\\u00e9'.repeat(16_384);
    expect(codeOf(() => parsePublishRequest(bytes(`{"channel":"c","event":"e","data":"${over}"}`)))).toBe(
      'DATA_TOO_LARGE',
    );
  });

  it('does not count white space between tokens', () => {
    const padded = `[${' '.repeat(40_000)}1]`;
    expect(codeOf(() => parsePublishRequest(bytes(`{"channel":"c","event":"e","data":${padded}}`)))).toBe('accepted');
  });

  it('refuses data that no client could read for its depth', () => {
    const nested = (levels: number) => `{"channel":"c","event":"e","data":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(codeOf(() => parsePublishRequest(bytes(nested(512))))).toBe('accepted');
    expect(codeOf(() => parsePublishRequest(bytes(nested(513))))).toBe('MALFORMED_MESSAGE');
    expect(codeOf(() => parsePublishRequest(bytes(nested(16_000))))).toBe('MALFORMED_MESSAGE');
  });

  it('finds any data in any document exactly as it was written', () => {
    fc.assert(
      fc.property(fc.json(), fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (data, others, first) => {
        const { channel: _c, event: _e, data: _d, ...rest } = others;
        const known = new Set(['deduplicationId', 'eagerIdGeneration', 'emitPubSubEvent', 'store', 'key']);
        const unknown = Object.entries(rest).filter(([name]) => !known.has(name) && !name.startsWith('schedule'));
        const members = unknown.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
        const own = ['"channel":"c"', '"event":"e"', `"data":${data}`];
        const text = `{${(first ? [...own, ...members] : [...members, ...own]).join(' , ')}}`;
        expect(parsePublishRequest(bytes(text)).data).toBe(data);
      }),
    );
  });
});

describe('a large document, of which little is made', () => {
  const large = ' '.repeat(20_000);

  it('is read as a small one', () => {
    const member = fc.tuple(
      fc.constantFrom(
        'channel',
        'event',
        'data',
        'store',
        'key',
        'emitPubSubEvent',
        'x',
        '__proto__',
        'toString',
        'e\\u0076ent',
      ),
      fc.oneof(fc.constantFrom('"c"', '"e"', '1', 'true', 'null', '{}', '[]', '"\\u00e9"', '[1,{"a":[]}]'), fc.json()),
    );
    const outcome = (text: string): unknown => {
      try {
        return parsePublishRequest(bytes(text));
      } catch (error) {
        return { ...(error as ProtocolError), text: (error as ProtocolError).message };
      }
    };
    fc.assert(
      fc.property(fc.array(member, { maxLength: 6 }), fc.boolean(), (members, isWhole) => {
        const all = [['channel', '"c"'], ['event', '"e"'], ...members].slice(isWhole ? 0 : 1);
        const text = `{${all.map(([name, value]) => `"${name}" : ${value}`).join()}}`;
        expect(outcome(large + text)).toEqual(outcome(text));
      }),
    );
  });

  it.each(['', '[]', '"', '{', '{}}', '{"a"}', '{"a":}', '{"a":1,}', '{"a":1 "b":2}', '{"a":01}', '{,}', '{"a":[1,]}'])(
    'is refused when it is %p',
    (text) => {
      expect(codeOf(() => parsePublishRequest(bytes(large + text)))).toBe('MALFORMED_MESSAGE');
    },
  );

  it('has 10,000 members at most', () => {
    const text = (count: number) => `${large}{${Array.from({ length: count }, (_, n) => `"x${n}":0`).join()}}`;
    const codes = [999, 1_001, 10_000, 10_001].map((count) => codeOf(() => parsePublishRequest(bytes(text(count)))));
    expect(codes).toEqual(['MISSING_FIELD', 'MISSING_FIELD', 'MISSING_FIELD', 'MALFORMED_MESSAGE']);
  });
});

describe('parsePublishBatch (publish-api P6)', () => {
  it('keeps the order and each document’s data', () => {
    const batch = parsePublishBatch(bytes('[{"channel":"a","event":"1","data":1.0}, {"channel":"b","event":"2"}]'));
    expect(batch.map(({ channel, event, data }) => [channel, event, data])).toEqual([
      ['a', '1', '1.0'],
      ['b', '2', 'null'],
    ]);
  });

  it.each([
    ['[]', 'MALFORMED_MESSAGE', undefined],
    ['{}', 'MALFORMED_MESSAGE', undefined],
    ['', 'MALFORMED_MESSAGE', undefined],
    ['[{}', 'MALFORMED_MESSAGE', undefined],
    ['[{}}', 'MALFORMED_MESSAGE', undefined],
    ['["}]', 'MALFORMED_MESSAGE', undefined],
    ['[{} {}]', 'MALFORMED_MESSAGE', undefined],
    ['[{}] {}', 'MALFORMED_MESSAGE', undefined],
    ['[{"channel":"a","event":"1"},]', 'MALFORMED_MESSAGE', undefined],
    ['[{"channel":"a","event":"1"},{"a":1]]', 'MALFORMED_MESSAGE', 1],
    ['[1]', 'MALFORMED_MESSAGE', 0],
    ['[{"channel":"a","event":"1"},{"channel":"a","event":"hotsock.x"}]', 'INVALID_EVENT', 1],
  ])('refuses %s', (text, expected, index) => {
    expect(() => parsePublishBatch(bytes(text))).toThrow(expect.objectContaining({ code: expected, index }));
  });

  it('takes 100 documents and refuses 101', () => {
    const of = (n: number) => bytes(JSON.stringify(Array.from({ length: n }, () => base)));
    expect(parsePublishBatch(of(100))).toHaveLength(100);
    expect(codeOf(() => parsePublishBatch(of(101)))).toBe('MALFORMED_MESSAGE');
  });

  it('takes no document that is larger than one may be alone', () => {
    const of = (second: string) => bytes(`[${JSON.stringify(base)},${second}]`);
    const much = 'é'.repeat(20_000);
    expect(parsePublishBatch(of(JSON.stringify({ ...base, x: much.slice(0, 8_000) })))).toHaveLength(2);
    for (const [code, document] of [
      ['PAYLOAD_TOO_LARGE', `{"channel":"c","event":"e","x":"${much}"}`],
      ['PAYLOAD_TOO_LARGE', `{"channel":"c","event":"e","data":"${much}"}`],
      ['MALFORMED_MESSAGE', `["${much}"]`],
    ] as const) {
      expect(() => parsePublishBatch(of(document))).toThrow(expect.objectContaining({ code, index: 1 }));
    }
  });
});
