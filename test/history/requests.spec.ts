import { Client, Testbed } from '../support/installation';

/** What a request may look like (client-http-api §1, §3, §4), whichever operation it is. */
let testbed: Testbed;
let client: Client;

beforeAll(async () => {
  testbed = await Testbed.start();
  client = await testbed.connect({
    channels: { '*': { historyStart: 0, messages: { '*': { broadcast: true } } } },
  });
});
afterAll(() => testbed?.stop());

describe.each(['listMessages', 'publishMessage'])('a request to %s', (operation) => {
  const call = (body: unknown) => client.call(operation, body);

  it.each<[code: string, field: string, body: unknown]>([
    ['MISSING_FIELD', 'channel', ''],
    ['MISSING_FIELD', 'channel', {}],
    ['MISSING_FIELD', 'channel', { channel: null }],
    ['INVALID_TYPE', 'channel', { channel: 1 }],
    ['INVALID_CHANNEL', 'channel', { channel: '' }],
    ['INVALID_CHANNEL', 'channel', { channel: 'a b' }],
    ['INVALID_CHANNEL', 'channel', { channel: 'c'.repeat(257) }],
    ['MALFORMED_MESSAGE', 'body', 'not json'],
    ['MALFORMED_MESSAGE', 'body', '[]'],
    ['MALFORMED_MESSAGE', 'body', 'null'],
    ['MALFORMED_MESSAGE', 'body', '"channel"'],
    ['MALFORMED_MESSAGE', 'body', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('is answered %s and names %s', async (code, field, body) => {
    const { status, json } = await call(body);
    expect([status, json.error.code]).toEqual([400, code]);
    expect(json.error.message).toMatch(new RegExp(`\\b${field}\\b`));
  });

  it('may have 256 KiB and unknown members', async () => {
    const body = JSON.stringify({ channel: 'c', event: 'e', unknown: { x: 1 } });
    expect((await call(body.padEnd(262_144))).status).toBeLessThan(300);
    const { status, json } = await call(body.padEnd(262_145));
    expect([status, json.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });
});

describe('listMessages', () => {
  it.each<[field: string, value: unknown]>([
    ['after', 1],
    ['after', 'x'],
    ['after', ''],
    ['after', '01J9ZK3V7Q8W2X5Y6ABCDEFGHI'],
    ['after', '81J9ZK3V7Q8W2X5Y6ABCDEFGHJ'],
    ['before', {}],
    ['before', `${'0'.repeat(26)}0`],
    ['reverse', 'true'],
    ['reverse', 1],
    ['expandReactions', 'yes'],
  ])('refuses the %s %j', async (field, value) => {
    const { status, json } = await client.call('listMessages', { channel: 'c', [field]: value });
    expect([status, json.error.code]).toEqual([400, 'INVALID_TYPE']);
    expect(json.error.message).toContain(field);
  });
});

describe('publishMessage', () => {
  it.each<[status: number, code: string, field: string, more: object]>([
    [400, 'MISSING_FIELD', 'event', {}],
    [400, 'MISSING_FIELD', 'event', { event: null }],
    [400, 'INVALID_TYPE', 'event', { event: ['e'] }],
    [400, 'INVALID_EVENT', 'event', { event: '#e' }],
    [400, 'INVALID_EVENT', 'event', { event: 'e*' }],
    [400, 'INVALID_EVENT', 'event', { event: 'e'.repeat(129) }],
    [400, 'INVALID_EVENT', 'event', { event: 'hotsock.foo' }],
    [400, 'INVALID_EVENT', 'event', { event: 'hotsock.channelStorageSet', key: 'k' }],
    [400, 'INVALID_TYPE', 'eagerIdGeneration', { event: 'e', eagerIdGeneration: 'yes' }],
    [400, 'INVALID_TYPE', 'scheduleExpression', { event: 'e', scheduleExpression: 1 }],
    [413, 'DATA_TOO_LARGE', 'data', { event: 'e', data: 'x'.repeat(32_767) }],
    [400, 'INVALID_SCHEDULE', 'scheduleExpression', { event: 'e', scheduleExpression: 'at(2020-01-01T00:00:00)' }],
    [400, 'INVALID_REACTION', 'messageId', { event: 'hotsock.messageReaction', data: { messageId: 'x' } }],
    [
      400,
      'INVALID_SCHEDULE',
      'reactions',
      {
        event: 'hotsock.messageReaction',
        data: { messageId: '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ', reaction: 'x', action: 'add' },
        scheduleExpression: 'at(2040-01-01T00:00:00)',
      },
    ],
  ])('answers %d %s and names %s', async (status, code, field, more) => {
    const { status: got, json } = await client.call('publishMessage', { channel: 'c', ...more });
    expect([got, json.error.code]).toEqual([status, code]);
    expect(json.error.message).toContain(field);
  });

  it('refuses data that no client could read', async () => {
    const data = '['.repeat(16_000) + ']'.repeat(16_000);
    const { status, json } = await client.call('publishMessage', `{"channel":"c","event":"e","data":${data}}`);
    expect([status, json.error.code]).toEqual([400, 'MALFORMED_MESSAGE']);
  });

  it('takes data of exactly 32 KiB', async () => {
    const { status } = await client.call('publishMessage', { channel: 'c', event: 'e', data: 'x'.repeat(32_766) });
    expect(status).toBe(202);
  });
});
