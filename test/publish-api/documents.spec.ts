import { AppProcess } from '../support/process';
import { Answer, errorOf, post, startAll, startPublishApi } from './publish-api';

let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  all = await startAll();
});
afterAll(() => all?.stop());

const base = { channel: 'c', event: 'e' };
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('what a message document may hold (publish-api §3, §12.2, §12.7)', () => {
  it.each<[string, object]>([
    ['a channel of 256 characters', { channel: 'c'.repeat(256) }],
    ['a channel of 256 characters outside the BMP', { channel: '😀'.repeat(256) }],
    ['a channel with dots, slashes, colons and letters of any script', { channel: 'a.b/c:d%e+ñ漢' }],
    ['an event of 128 characters', { event: 'e'.repeat(128) }],
    ['an event with an inner number sign and spaces', { event: 'a#b c' }],
    ['an event that only looks reserved', { event: 'hotsock' }],
    ['an empty deduplicationId', { deduplicationId: '' }],
    ['a deduplicationId of 128 characters', { deduplicationId: '😀'.repeat(128) }],
    ['store 0', { store: 0 }],
    ['store -1', { store: -1 }],
    ['the longest store', { store: 3_155_695_200 }],
    ['a key of another event', { key: 'ignored' }],
    ['a key of another event, whatever it is', { key: 5 }],
    ['a time zone without an expression, whatever it is', { scheduleExpressionTimezone: 5 }],
    ['a time zone without a schedule', { scheduleExpressionTimezone: 'Mars/Olympus' }],
    ['null for everything optional', { deduplicationId: null, store: null, eagerIdGeneration: null, key: null }],
    ['unknown members', { deduplication_id: null, eager_id_generation: false, x: [{}], ['__proto__']: 1 }],
    ['data of exactly 32,768 bytes', { data: 'x'.repeat(32_766) }],
  ])('accepts %s', async (_, more) => {
    const document = { ...base, ...more };
    const answer = await post(all.url, document);
    expect([answer.status, answer.text]).toEqual([
      202,
      JSON.stringify({ channel: document.channel, event: document.event }),
    ]);
  });

  it('accepts a store written with a zero fraction', async () => {
    expect((await post(all.url, '{"channel":"c","event":"e","store":2592000.0}')).status).toBe(202);
  });

  it.each<[code: string, field: string, what: string, document: unknown]>([
    ['INVALID_CHANNEL', 'channel', 'a dot', { ...base, channel: '.' }],
    ['INVALID_CHANNEL', 'channel', 'two dots', { ...base, channel: '..' }],
    ['INVALID_CHANNEL', 'channel', 'an empty one', { ...base, channel: '' }],
    ['INVALID_CHANNEL', 'channel', '257 characters', { ...base, channel: 'c'.repeat(257) }],
    ...['*', '#', ',', ' ', '\t', '\n', '\r', '\u00a0', '\u2028', '\u0000', '\u001f', '\u007f'].map(
      (character): [string, string, string, unknown] => [
        'INVALID_CHANNEL',
        'channel',
        `U+${character.charCodeAt(0).toString(16)}`,
        { ...base, channel: `a${character}b` },
      ],
    ),
    ['INVALID_EVENT', 'event', '129 characters', { ...base, event: 'e'.repeat(129) }],
    ['INVALID_EVENT', 'event', 'a reserved name', { ...base, event: 'hotsock.x' }],
    ['INVALID_EVENT', 'event', 'the bare prefix', { ...base, event: 'hotsock.' }],
    ['INVALID_EVENT', 'event', 'a leading number sign', { ...base, event: '#x' }],
    ['INVALID_EVENT', 'event', 'an asterisk', { ...base, event: 'a*b' }],
    ['INVALID_DEDUPLICATION_ID', 'deduplicationId', '129 characters', { ...base, deduplicationId: 'd'.repeat(129) }],
    ['INVALID_STORE', 'store', '-2', { ...base, store: -2 }],
    ['INVALID_STORE', 'store', '3155695201', { ...base, store: 3_155_695_201 }],
    ['INVALID_STORE', 'store', '1.5', { ...base, store: 1.5 }],
    ['INVALID_TYPE', 'store', 'text', { ...base, store: '60' }],
    ['INVALID_TYPE', 'channel', 'a number', { ...base, channel: 1 }],
    ['INVALID_TYPE', 'event', 'an array', { ...base, event: ['e'] }],
    ['INVALID_TYPE', 'deduplicationId', 'a number', { ...base, deduplicationId: 7 }],
    ['INVALID_TYPE', 'eagerIdGeneration', 'text', { ...base, eagerIdGeneration: 'true' }],
    ['INVALID_TYPE', 'emitPubSubEvent', 'a number', { ...base, emitPubSubEvent: 1 }],
    ['INVALID_TYPE', 'key', 'an object', { ...base, event: 'hotsock.channelStorageSet', key: {} }],
    ['INVALID_TYPE', 'scheduleExpression', 'a boolean', { ...base, scheduleExpression: true }],
    [
      'INVALID_TYPE',
      'scheduleExpressionTimezone',
      'a number',
      { ...base, scheduleExpression: 'at(2999-01-01T00:00:00)', scheduleExpressionTimezone: 1 },
    ],
    ['MISSING_FIELD', 'channel', 'absent', { event: 'e' }],
    ['MISSING_FIELD', 'channel', 'null', { channel: null, event: 'e' }],
    ['MISSING_FIELD', 'event', 'absent', { channel: 'c' }],
    ['MISSING_FIELD', 'event', 'null', { channel: 'c', event: null }],
    ['MALFORMED_MESSAGE', 'body', 'empty', ''],
    ['MALFORMED_MESSAGE', 'body', 'not JSON', '{"channel":"c","event":"e"'],
    ['MALFORMED_MESSAGE', 'body', 'JSON with something behind it', '{"channel":"c","event":"e"}}'],
    ['MALFORMED_MESSAGE', 'body', 'a trailing comma', '{"channel":"c","event":"e",}'],
    ['MALFORMED_MESSAGE', 'body', 'an array', [base]],
    ['MALFORMED_MESSAGE', 'body', 'a string', '"x"'],
    ['MALFORMED_MESSAGE', 'body', 'null', 'null'],
    ['MALFORMED_MESSAGE', 'body', 'not UTF-8', Buffer.from('{"channel":"c","event":"\xff"}', 'latin1')],
    ['MALFORMED_MESSAGE', 'data', 'nested 16,000 deep', `{"channel":"c","event":"e","data":${deep(16_000)}}`],
  ])('answers %s and names %s: %s', async (code, field, _, document) => {
    const answer = await post(all.url, document);
    expect([answer.status, errorOf(answer).code]).toEqual([400, code]);
    expect(errorOf(answer).message).toMatch(new RegExp(`\\b${field}\\b`));
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['error']);
  });

  it('names the expected and the received type, in the words of JSON', async () => {
    expect(errorOf(await post(all.url, { ...base, event: ['x'] })).message).toBe(
      'event must be a string, got an array',
    );
    expect(errorOf(await post(all.url, { ...base, store: {} })).message).toBe('store must be a number, got an object');
  });

  it('refuses data of 32,769 bytes', async () => {
    for (const data of ['x'.repeat(32_767), 'é'.repeat(16_384), Array.from({ length: 16_385 }, () => 1)]) {
      const answer = await post(all.url, { ...base, data });
      expect([answer.status, errorOf(answer).code]).toEqual([413, 'DATA_TOO_LARGE']);
      expect(errorOf(answer).message).toContain('data');
    }
  });

  it('measures data in its compact form', async () => {
    const written = `[${Array.from({ length: 16_383 }, () => '1').join(' ,\n ')} ]`;
    expect((await post(all.url, `{"channel":"c","event":"e","data":${written}}`)).status).toBe(202);
  });

  it('reads past nesting in members that it does not know', async () => {
    const body = `{"channel":"c","event":"e","x":${deep(120_000)}}`;
    expect((await post(all.url, body)).status).toBe(202);
  });

  it.each<[string, string, object]>([
    ['INVALID_SCHEDULE', 'a schedule that is none', { scheduleExpression: 'rate(1 minute)' }],
    ['INVALID_SCHEDULE', 'a schedule of the past', { scheduleExpression: 'at(2020-01-01T00:00:00)' }],
    ['INVALID_REACTION', 'a reaction to nothing', { event: 'hotsock.messageReaction', data: { reaction: 'y' } }],
  ])('refuses with %s %s', async (code, _, more) => {
    const answer = await post(all.url, { ...base, ...more, channel: 'refused' });
    expect([answer.status, errorOf(answer).code]).toEqual([400, code]);
    expect(await all.queue.of('refused')).toEqual([]);
  });

  it.each<[first: string, what: string, document: object]>([
    ['INVALID_TYPE', 'a wrong type before a missing field', { event: 'e', store: 'x' }],
    ['INVALID_TYPE', 'wrong types in table order', { channel: 'c', event: 1, store: 'x' }],
    ['MISSING_FIELD', 'a missing field before a wrong one', { channel: 'a b' }],
    ['INVALID_CHANNEL', 'channel before event', { channel: 'a b', event: '*' }],
    ['INVALID_EVENT', 'event before data', { ...base, event: '*', data: 'x'.repeat(40_000) }],
    [
      'DATA_TOO_LARGE',
      'data before deduplicationId',
      { ...base, data: 'x'.repeat(40_000), deduplicationId: 'd'.repeat(129) },
    ],
    [
      'INVALID_DEDUPLICATION_ID',
      'deduplicationId before store',
      { ...base, deduplicationId: 'd'.repeat(129), store: 1.5 },
    ],
    ['INVALID_STORE', 'store before the schedule', { ...base, store: 1.5, scheduleExpression: 'x' }],
  ])('reports %s first: %s', async (first, _, document) => {
    expect(errorOf(await post(all.url, document)).code).toBe(first);
  });
});

describe('members of a message that are not known (publish-api §3.2)', () => {
  const warningOf = ({ headers }: Answer) => headers.get('hearth-warning');
  let strict: AppProcess;

  beforeAll(async () => {
    strict = await startPublishApi(all.nats, { HEARTH_UNKNOWN_FIELDS: 'refuse' });
  });
  afterAll(() => strict?.stop());

  const counted = async () =>
    (await (await fetch(`http://127.0.0.1:${all.app.adminPort}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('hearth_unknown_fields_total{'));

  it('are told in a header, with the name that is meant, and counted', async () => {
    const before = await counted();
    const answer = await post(all.url, { ...base, channel: 'told', deduplicationID: 'x', ['a"b\u00f1']: [{}] });
    expect([answer.status, answer.text]).toEqual([202, '{"channel":"told","event":"e"}']);
    expect(warningOf(answer)).toBe(
      'unknown-field;name="deduplicationID";nearest="deduplicationId", unknown-field;name="a\\"b%C3%B1"',
    );
    expect((await all.queue.of('told')).map(({ deduplicationId }) => deduplicationId)).toEqual([undefined]);
    const batch = await post(`${all.url}/batch`, [base, { ...base, a: 1, b: 1 }, { ...base, c: 1, Store: 1 }]);
    expect(warningOf(batch)).toBe(
      'unknown-field;name="a";index=1, unknown-field;name="b";index=1, unknown-field;name="c";index=2, unknown-field;more=1',
    );
    const total = (lines: string[], route: string) =>
      Number(lines.find((line) => line.includes(`"${route}"`))?.split(' ')[1] ?? 0);
    const after = await counted();
    expect(total(after, 'publish') - total(before, 'publish')).toBe(2);
    expect(total(after, 'batch') - total(before, 'batch')).toBe(4);
  });

  it('are not told of where there are none, or are null', async () => {
    for (const more of [{}, { data: { x: 1 }, store: null }, { deduplication_id: null }]) {
      expect(warningOf(await post(all.url, { ...base, ...more }))).toBeNull();
      expect(warningOf(await post(`${all.url}/batch`, [{ ...base, ...more }]))).toBeNull();
    }
  });

  it('cost a short header, however many and however long they are', async () => {
    const many = Object.fromEntries(Array.from({ length: 8_000 }, (_, n) => [`deduplicationI${n}`, 1]));
    const long = warningOf(await post(all.url, { ...base, ['é'.repeat(20_000)]: 1, ...many }));
    expect(long).toMatch(/more=7998$/);
    expect(long?.length).toBeLessThan(1_000);
  });

  it('are refused where that is set, before anything else is said of the document', async () => {
    const url = `${strict.httpUrl}/publish`;
    const one = await post(url, { chanel: 'refused', event: 5 });
    expect([one.status, errorOf(one)]).toEqual([
      400,
      { code: 'UNKNOWN_FIELD', message: 'chanel is not known; did you mean channel?' },
    ]);
    const refused = { ...base, channel: 'refused' };
    const batch = await post(`${url}/batch`, [refused, { ...refused, ttl: 5 }, { ...refused, x: 1 }]);
    expect([batch.status, errorOf(batch)]).toMatchObject([400, { code: 'UNKNOWN_FIELD', index: 1 }]);
    expect(errorOf(batch).message).toMatch(/^ttl is not known; known here: .*\bstore\b/);
    expect(warningOf(batch)).toBeNull();
    expect(await all.queue.of('refused')).toEqual([]);
    expect((await post(url, { ...base, deduplication_id: null, data: { x: 1 } })).status).toBe(202);
  });
});
