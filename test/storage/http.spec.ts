import { Answer, Client, Testbed } from '../support/installation';
import { eventually } from '../support/eventually';

/** Storage over the client HTTP API (client-http-api §6) and for backends (publish-api §8, §11). */
let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed?.stop());

let number = 0;
const newChannel = () => `h${++number}`;
const ALL = { observe: true, get: true, set: true };
const META = { uid: null, umd: null };

const client = (channel: string, storage: object, more: object = {}): Promise<Client> =>
  testbed.connect({ uid: 'u1', channels: { [channel]: { subscribe: true, storage, ...more } } }, testbed.gateways[1]);
const outcome = ({ status, json }: Answer): unknown => [status, json.error?.code ?? json];

/** Sets entries as a backend. */
async function fill(channel: string, entries: Record<string, unknown>): Promise<void> {
  const documents = Object.entries(entries).map(([key, data]) => ({
    channel,
    event: 'hotsock.channelStorageSet',
    key,
    data,
  }));
  await testbed.publish(...documents);
}

async function pages(read: (after: string | undefined) => Promise<Answer>): Promise<string[][]> {
  const all: string[][] = [];
  for (let after: string | undefined; all.at(-1)?.length !== 0; after = all.at(-1)?.at(-1)) {
    const { status, json } = await read(after);
    expect(status).toBe(200);
    all.push((json.items as { key: string }[]).map(({ key }) => key));
  }
  return all.slice(0, -1);
}

describe('a client', () => {
  it('sets, reads and clears what it may, and reads its own writes at once', async () => {
    const channel = newChannel();
    const one = await client(channel, { k: ALL }, { alias: `nick${channel}` });
    const unset = { event: 'hotsock.channelStorageData', channel, key: 'k', data: null, meta: null };
    for (const name of [channel, `nick${channel}`]) {
      expect(outcome(await one.call('channelStorageGet', { channel: name, key: 'k' }))).toEqual([200, unset]);
      const answer = await one.call('channelStorageSet', { channel: name, key: 'k', data: { a: [1] } });
      expect([answer.status, answer.text]).toEqual([
        202,
        `{"channel":"${channel}","event":"hotsock.channelStorageSet"}`,
      ]);
      const set = { ...unset, data: { a: [1] }, meta: { uid: 'u1', umd: null } };
      expect(outcome(await one.call('channelStorageGet', { channel: name, key: 'k' }))).toEqual([200, set]);
      expect((await testbed.get(`/channels/${channel}/storage`)).json.items).toHaveLength(1);
      await one.call('channelStorageSet', { channel: name, key: 'k' });
    }
  });

  it('is refused what it may not, and what is malformed', async () => {
    const channel = newChannel();
    const one = await client(channel, { get: { get: true }, set: { set: true } });
    const cases: [string, object, number, string][] = [
      ['channelStorageGet', { channel, key: 'set' }, 403, 'STORAGE_PERMISSION_DENIED'],
      ['channelStorageSet', { channel, key: 'get' }, 403, 'STORAGE_PERMISSION_DENIED'],
      [
        'channelStorageSet',
        { channel, key: 'set', scheduleExpression: 'at(2099-01-01T00:00:00)' },
        403,
        'SCHEDULE_PERMISSION_DENIED',
      ],
      ['channelStorageSet', { channel, key: 'set', scheduleExpression: 'rate(1 day)' }, 400, 'INVALID_SCHEDULE'],
      ['channelStorageSet', { channel, key: 'set', data: 'x'.repeat(32_767) }, 413, 'DATA_TOO_LARGE'],
      ['channelStorageSet', { channel }, 400, 'INVALID_STORAGE_KEY'],
      ['channelStorageGet', { channel, key: '#' }, 400, 'INVALID_STORAGE_KEY'],
      ['channelStorageGet', { key: 'get' }, 400, 'MISSING_FIELD'],
      ['channelStorageList', { channel, keys: 'get' }, 400, 'INVALID_TYPE'],
      ['channelStorageList', { channel, keys: ['get', 1] }, 400, 'INVALID_TYPE'],
      ['channelStorageList', { channel, keys: Array<string>(101).fill('get') }, 400, 'INVALID_STORAGE_KEY'],
      ['channelStorageList', { channel, after: 'a b' }, 400, 'INVALID_STORAGE_KEY'],
    ];
    for (const [operation, body, status, code] of cases) {
      expect([operation, body, outcome(await one.call(operation, body))]).toEqual([operation, body, [status, code]]);
    }
    const messageOf = async (body: object) =>
      (await one.call('channelStorageList', { channel, ...body })).json.error.message;
    expect(await messageOf({ keys: ['get', 'a b'] })).toMatch(/^keys\[1\] must not contain/);
    expect(await messageOf({ after: 'a b' })).toMatch(/^after must not contain/);
    await one.ws.close();
    // The gateway hears of the close a moment after the client.
    await eventually(async () => {
      expect(outcome(await one.call('channelStorageGet', { channel, key: 'get' }))).toEqual([401, 'UNAUTHORIZED']);
    });
  });

  it('lists what it may read, whether its keys are named one by one or by patterns', async () => {
    const channel = newChannel();
    await fill(channel, { a1: 1, a2: 2, a3: 3, b1: 4, secret: 5, gone: 6 });
    await fill(channel, { gone: null });
    const read = async (storage: object, request: object = {}) => {
      const one = await client(channel, storage);
      const { status, json } = await one.call('channelStorageList', { channel, ...request });
      expect(status).toBe(200);
      return (json.items as { key: string }[]).map(({ key }) => key);
    };
    const get = { get: true };
    expect(await read({ 'a*': get, b1: get, a2: { get: false } })).toEqual(['a1', 'a3', 'b1']);
    expect(await read({ b1: get, a2: get, missing: get, a1: { observe: true, set: true } })).toEqual(['a2', 'b1']);
    expect(await read({ '*': get, secret: { get: false } }, { after: 'a2' })).toEqual(['a3', 'b1']);
    expect(await read({ '*': get, secret: { get: false } }, { keys: ['secret', 'b1', 'none', 'a1'] })).toEqual([
      'a1',
      'b1',
    ]);
    expect(await read({ a1: get, b1: get }, { keys: ['b1', 'a1', 'a2'], after: 'a1' })).toEqual(['b1']);
    expect(await read({ '*': get }, { keys: [] })).toEqual([]);
    expect(await read({ '*': { observe: true, set: true } })).toEqual([]);
    expect(await read({})).toEqual([]);
    const one = await client(channel, { b1: get });
    expect((await one.call('channelStorageList', { channel })).text).toBe(
      '{"items":[{"key":"b1","data":4,"meta":{"uid":null,"umd":null}}]}',
    );
  });

  it('pages by 100, counted after leaving out what it may not read', async () => {
    const channel = newChannel();
    const keys = Array.from({ length: 700 }, (_, i) => `k${String(i).padStart(3, '0')}`);
    await fill(channel, Object.fromEntries(keys.map((key) => [key, 1])));
    const readable = keys.filter((key) => /[13579]$/.test(key));
    const one = await client(channel, { '#regex:[13579]$': { get: true } });
    const read = await pages((after) => one.call('channelStorageList', { channel, after }));
    expect(read.map(({ length }) => length)).toEqual([100, 100, 100, 50]);
    expect(read.flat()).toEqual(readable);
  });

  it('pages by 1 MiB of what it may read', async () => {
    const channel = newChannel();
    const keys = Array.from({ length: 80 }, (_, i) => `k${i + 10}`);
    await fill(channel, Object.fromEntries(keys.map((key) => [key, 'x'.repeat(32_000)])));
    const one = await client(channel, { 'k*': { get: true }, k11: { get: false } });
    const read = await pages((after) => one.call('channelStorageList', { channel, after }));
    expect(read.map(({ length }) => length)).toEqual([32, 32, 15]);
    expect(read.flat()).toEqual(keys.filter((key) => key !== 'k11'));
  });
});

describe('GET /channels/{name}/storage', () => {
  const path = (channel: string, query = '') => `/channels/${encodeURIComponent(channel)}/storage${query}`;
  const keysAt = async (channel: string, query = '') =>
    ((await testbed.get(path(channel, query))).json.items as { key: string }[]).map(({ key }) => key);

  it('answers with all entries in the order of their keys, as soon as they are accepted', async () => {
    const channel = `${newChannel()}/with.slash`;
    expect((await testbed.get(path(channel))).text).toBe('{"items":[]}');
    await fill(channel, { b: { n: 1 }, a: 1, é: 2, gone: 3 });
    await fill(channel, { gone: {} });
    const { status, headers, json } = await testbed.get(path(channel));
    expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('application/json')]);
    expect(json).toEqual({
      items: [
        { key: 'a', data: 1, meta: META },
        { key: 'b', data: { n: 1 }, meta: META },
        { key: 'é', data: 2, meta: META },
      ],
    });
    expect(await keysAt(channel, '?after=a')).toEqual(['b', 'é']);
    expect(await keysAt(channel, '?keys=%C3%A9,none,a&after=b')).toEqual(['a', 'é']);
  });

  it('pages by 100', async () => {
    const channel = newChannel();
    const keys = Array.from({ length: 250 }, (_, i) => `k${String(i).padStart(3, '0')}`);
    await fill(channel, Object.fromEntries(keys.map((key) => [key, 1])));
    const read = await pages((after) => testbed.get(path(channel, after === undefined ? '' : `?after=${after}`)));
    expect(read.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(read.flat()).toEqual(keys);
  });

  it('is refused without a key, and with what makes no sense', async () => {
    expect(outcome(await testbed.get('/channels/c/storage', {}))).toEqual([401, 'UNAUTHORIZED']);
    expect(outcome(await testbed.get('/channels/a%20b/storage'))).toEqual([400, 'INVALID_CHANNEL']);
    const many = Array<string>(101).fill('k').join(',');
    expect(outcome(await testbed.get(`/channels/c/storage?keys=${many}`))).toEqual([400, 'INVALID_STORAGE_KEY']);
    const after = await testbed.get('/channels/c/storage?after=a%20b');
    expect(outcome(after)).toEqual([400, 'INVALID_STORAGE_KEY']);
    expect(after.json.error.message).toMatch(/^after must/);
    expect(outcome(await testbed.get('/channels/c/storage?after=a&after=b'))).toEqual([400, 'INVALID_TYPE']);
  });
});

it('an entry with a time to live is there until then, for every reader', async () => {
  const channel = newChannel();
  const one = await client(channel, { k: { ...ALL, store: 1 }, l: ALL });
  await one.call('channelStorageSet', { channel, key: 'k', data: 1 });
  await one.call('channelStorageSet', { channel, key: 'l', data: 1 });
  expect((await one.call('channelStorageGet', { channel, key: 'k' })).json.data).toBe(1);
  await eventually(async () => {
    expect((await one.call('channelStorageGet', { channel, key: 'k' })).json).toMatchObject({ data: null, meta: null });
  });
  const items = [{ key: 'l', data: 1, meta: { uid: 'u1', umd: null } }];
  expect((await one.call('channelStorageList', { channel })).json).toEqual({ items });
  expect((await testbed.get(`/channels/${channel}/storage`)).json).toEqual({ items });
});
