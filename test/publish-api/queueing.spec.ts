import { eventually } from '../support/eventually';
import { errorOf, KEY_1, post, postAll, Queue, startAll, startPublishApi } from './publish-api';

let all: Awaited<ReturnType<typeof startAll>>;

beforeAll(async () => {
  all = await startAll();
});
afterAll(() => all?.stop());

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

describe('what is queued', () => {
  it('is the whole request, with who sent it', async () => {
    const document = { channel: 'whole', event: 'e', store: 60, emitPubSubEvent: true, deduplicationId: 'd-1' };
    await post(all.url, document, { authorization: `Bearer ${KEY_1}`, 'user-agent': 'agent/1 (ü)' });
    const [queued] = await all.queue.of('whole');
    expect(queued).toMatchObject({
      ...document,
      trigger: 'server.http',
      sourceIp: '127.0.0.1',
      userAgent: 'agent/1 (ü)',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      data: 'null',
    });
    expect(queued).toMatchObject({ meta: undefined, connectionId: undefined, eagerId: undefined });
  });

  it.each([
    ['false', 'false'],
    ['zero', '0'],
    ['an empty string', '""'],
    ['null', 'null'],
    ['minus zero', '-0'],
    ['a number beyond every double', '1e400'],
    ['20 digits', '12345678901234567890'],
    ['more digits than a double holds', '0.1000000000000000055511151231257827'],
    ['an escaped null character', '"\\u0000"'],
    ['half a pair of surrogates', '"\\ud800 alone, and a pair \\ud83d\\ude00"'],
    ['needless escapes', '"\\u00e9 and é"'],
    ['__proto__', '{"__proto__":{"a":1},"constructor":null}'],
    ['members in their order, one of them twice', '{"b":1,"a":2,"10":3,"9":4,"b":5}'],
    ['white space', '{ "a" : [ 1 ,\n\t2 ] }'],
    ['512 levels', `${'['.repeat(512)}${']'.repeat(512)}`],
  ])('has the bytes of data as they were sent: %s', async (what, data) => {
    const channel = `bytes-${what.replaceAll(' ', '-').replaceAll(',', '')}`;
    const answer = await post(all.url, ` {"event" : "e", "data" : ${data} ,"channel":"${channel}"} `);
    expect(answer.status).toBe(202);
    expect((await all.queue.of(channel)).map((queued) => queued.data)).toEqual([data]);
  });

  it('has the last data of several, as JSON.parse has it', async () => {
    await post(all.url, '{"channel":"twice","event":"e","data":1,"\\u0064ata":2}');
    expect((await all.queue.of('twice')).map(({ data }) => data)).toEqual(['2']);
  });

  it('is in no log', async () => {
    const planted = 'planted-payload-3f9c';
    const message = { channel: 'log', event: 'e', data: planted };
    expect((await post(all.url, message)).status).toBe(202);
    expect((await post(all.url, { ...message, store: planted })).status).toBe(400);
    expect((await post(all.url, `{"channel":"${planted}"`)).status).toBe(400);
    expect(all.app.lines.join('\n')).toContain('Started');
    expect(all.app.lines.join('\n')).not.toContain(planted);
  });

  it('has promised ids that rise', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 50; n++) {
      const { status, text } = await post(all.url, { channel: 'eager', event: 'e', eagerIdGeneration: true });
      const { id } = JSON.parse(text) as { id: string };
      expect([status, text]).toEqual([202, `{"id":"${id}","channel":"eager","event":"e"}`]);
      expect(id).toMatch(ULID);
      ids.push(id);
    }
    expect(ids).toEqual([...new Set(ids)].sort());
    expect((await all.queue.of('eager')).map(({ eagerId }) => eagerId)).toEqual(ids);
  });

  it('is everything once, when 2,000 messages come over two nodes at the same time', async () => {
    const other = await startPublishApi(all.nats);
    try {
      const urls = [all.url, `${other.httpUrl}/publish`];
      const answers = await postAll(
        urls,
        Array.from({ length: 2_000 }, (_, data) => ({ channel: 'many', event: 'e', data, eagerIdGeneration: true })),
      );
      expect(answers.filter(({ status }) => status !== 202)).toEqual([]);
      const promised = answers.map(({ text }, n) => [String(n), (JSON.parse(text) as { id: string }).id]);
      const queued = await all.queue.of('many');
      expect(new Map(queued.map(({ data, eagerId }) => [data, eagerId]))).toEqual(
        new Map(promised as [string, string][]),
      );
      expect(queued).toHaveLength(2_000);
      expect(new Set(queued.map(({ requestId }) => requestId)).size).toBe(2_000);
    } finally {
      await other.stop();
    }
  });
});

describe('without NATS', () => {
  it('answers 503 until it is back, and has then queued what it had accepted, once', async () => {
    // With this limit a request that waited for NATS would outlast the test.
    const own = await startAll({ HEARTH_HTTP_TIMEOUT_MS: '60000' });
    await own.queue.close();
    try {
      const message = (data: number) => ({ channel: 'outage', event: 'e', data });
      expect((await post(own.url, message(1))).status).toBe(202);
      await own.nats.kill();
      await eventually(() => expect(own.app.lines.join('\n')).toContain('NATS disconnected'));
      const answer = await post(own.url, message(2));
      expect([answer.status, errorOf(answer).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      const batch = await post(`${own.url}/batch`, [message(3)]);
      expect([batch.status, errorOf(batch).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      // What is wrong with a request is said all the same.
      expect((await post(own.url, {})).status).toBe(400);
      await own.nats.restart();
      await eventually(async () => expect((await post(own.url, message(4))).status).toBe(202));
      const queue = await Queue.open(own.nats);
      const queued = (await queue.of('outage')).map(({ data }) => data);
      await queue.close();
      expect(queued).toEqual(['1', '4']);
    } finally {
      await own.app.stop();
      await own.nats.stop();
    }
  });
});

describe('with a full queue', () => {
  it('answers 503 and keeps what it has accepted', async () => {
    const own = await startAll({ HEARTH_INGEST_MAX_BYTES: String(2 * 1_048_576) });
    try {
      const message = { channel: 'full', event: 'e', data: 'x'.repeat(30_000) };
      let accepted = 0;
      for (;;) {
        const answer = await post(own.url, message);
        if (answer.status !== 202) {
          expect([answer.status, errorOf(answer).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
          break;
        }
        accepted++;
      }
      expect(accepted).toBeGreaterThan(20);
      expect(await own.queue.stored('full')).toBe(accepted);
    } finally {
      await own.stop();
    }
  });
});
