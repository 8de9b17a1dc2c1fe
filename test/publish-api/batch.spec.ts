import { errorOf, post, startAll } from './publish-api';

let all: Awaited<ReturnType<typeof startAll>>;
let url: string;

beforeAll(async () => {
  all = await startAll();
  url = `${all.url}/batch`;
});
afterAll(() => all?.stop());

const documents = (count: number, channel: string, more: object = {}): object[] =>
  Array.from({ length: count }, (_, data) => ({ channel, event: 'e', data, ...more }));

describe('POST /publish/batch (publish-api §1, §9)', () => {
  it('queues up to 100 messages in the order of the array and answers in that order', async () => {
    const batch = documents(100, 'full').map((document, n) => ({ ...document, event: `e${n}` }));
    const answer = await post(url, batch);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      202,
      batch.map(({ event }) => ({ channel: 'full', event })),
    ]);
    expect((await all.queue.of('full')).map(({ event, data }) => [event, data])).toEqual(
      batch.map(({ event }, n) => [event, String(n)]),
    );
  });

  it('keeps the order of batches that follow each other, over many channels at once', async () => {
    for (const start of [0, 50]) {
      const batch = documents(50, '').map((_, n) => ({ channel: `m${n % 5}`, event: 'e', data: start + n }));
      expect((await post(url, batch)).status).toBe(202);
    }
    for (let channel = 0; channel < 5; channel++) {
      expect((await all.queue.of(`m${channel}`)).map(({ data }) => Number(data))).toEqual(
        Array.from({ length: 20 }, (_, n) => n * 5 + channel),
      );
    }
  });

  it.each<[what: string, batch: unknown]>([
    ['101 documents', documents(101, 'refused')],
    ['no document', []],
    ['an object', { channel: 'refused', event: 'e' }],
    ['text', '[{"channel":"refused","event":"e"}'],
    ['nothing', ''],
  ])('refuses %s', async (_, batch) => {
    const answer = await post(url, batch);
    expect([answer.status, errorOf(answer).code]).toEqual([400, 'MALFORMED_MESSAGE']);
    expect(errorOf(answer)).not.toHaveProperty('index');
    expect(await all.queue.of('refused')).toEqual([]);
  });

  it.each<[status: number, code: string, what: string, bad: unknown]>([
    [400, 'INVALID_CHANNEL', 'a bad name', { channel: 'a b', event: 'e' }],
    [400, 'MISSING_FIELD', 'an empty document', {}],
    [400, 'INVALID_TYPE', 'a wrong type', { channel: 'c', event: 'e', store: '1' }],
    [400, 'MALFORMED_MESSAGE', 'no object', 7],
    [413, 'DATA_TOO_LARGE', 'too much data', { channel: 'c', event: 'e', data: 'x'.repeat(32_767) }],
    [400, 'INVALID_SCHEDULE', 'the past', { channel: 'c', event: 'e', scheduleExpression: 'at(2020-01-01T00:00:00)' }],
  ])('queues nothing when one document is wrong (%d %s), and says which', async (status, code, _, bad) => {
    const channel = `none-${code}`;
    for (const index of [0, 41, 99]) {
      const batch: unknown[] = documents(100, channel);
      batch[index] = bad;
      const answer = await post(url, batch);
      expect([answer.status, errorOf(answer).code, errorOf(answer).index]).toEqual([status, code, index]);
    }
    expect(await all.queue.of(channel)).toEqual([]);
  });

  it('reports the first of several wrong documents', async () => {
    const answer = await post(url, [{ channel: 'c', event: 'e' }, { channel: 'c' }, { event: 'e' }]);
    expect(errorOf(answer)).toMatchObject({ code: 'MISSING_FIELD', index: 1 });
  });

  it('promises ids that rise within the batch, to those who asked', async () => {
    const batch = documents(100, 'eager').map((document, n) => ({ ...document, eagerIdGeneration: n % 2 === 0 }));
    const answers = JSON.parse((await post(url, batch)).text) as { id?: string }[];
    const ids = answers.map(({ id }) => id).filter((id) => id !== undefined);
    expect(answers.map((answer) => 'id' in answer)).toEqual(batch.map(({ eagerIdGeneration }) => eagerIdGeneration));
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(50);
    expect((await all.queue.of('eager')).map(({ eagerId }) => eagerId)).toEqual(answers.map(({ id }) => id));
  });

  it('takes 100 documents of the largest data there may be', async () => {
    const answer = await post(url, documents(100, 'large', { data: 'x'.repeat(32_766) }));
    expect(answer.status).toBe(202);
    expect((await all.queue.of('large')).map(({ data }) => data.length)).toEqual(Array(100).fill(32_768));
  });

  it('refuses a document that alone would be too large, though most of it is white space', async () => {
    const written = (spaces: number) =>
      `[{"channel":"spaces","event":"e"},{"channel":"spaces","event":"e","data":[${' '.repeat(spaces)}]}]`;
    const answer = await post(url, written(262_143));
    expect([answer.status, errorOf(answer).code, errorOf(answer).index]).toEqual([413, 'PAYLOAD_TOO_LARGE', 1]);
    expect(await all.queue.of('spaces')).toEqual([]);
    expect((await post(url, written(262_142))).status).toBe(202);
    expect((await all.queue.of('spaces')).map(({ data }) => data.length)).toEqual([4, 262_144]);
  });

  it('refuses what is nested without end and goes on', async () => {
    const endless = '['.repeat(2_000_000);
    expect((await post(url, endless + ']'.repeat(2_000_000))).status).toBe(400);
    expect((await post(url, endless)).status).toBe(400);
    expect((await post(url, documents(1, 'afterwards'))).status).toBe(202);
  });
});
