import { readSignedRequest, SigningKeys, verifySignedRequest } from '@hearth/sigv4';
import { Target } from '../../bench/generator/job';
import { PAYLOAD_BYTES, readChannel, readMicros, readSequence } from '../../bench/generator/payload';
import { PublishRequests } from '../../bench/generator/publish-request';

const target: Target = {
  dialect: 'hearth',
  port: 8080,
  apiKey: 'key',
  accessKey: { id: 'AKIA', secret: 's' },
  signingSecret: '',
};

/** The next request beginning with `channel`, as text split into head and parsed body. */
function next(requests: PublishRequests, channel: number, micros = 0) {
  const buffer = Buffer.alloc(requests.maxBytes);
  const { bytes, channels } = requests.fill(buffer, channel, micros);
  const [head, body] = buffer.toString('utf8', 0, bytes).split('\r\n\r\n');
  return { head: head!, body: JSON.parse(body!), text: body!, channels };
}

describe('a prepared publish request', () => {
  it('is one message with a payload of 200 bytes', () => {
    const { head, body, text } = next(new PublishRequests(target, { channels: 3, batchSize: 1, storeSeconds: 0 }), 2);
    expect(head).toMatch(/^POST \/publish HTTP\/1\.1\r\n/);
    expect(head).toContain('Authorization: Bearer key');
    expect(head).toContain(`Content-Length: ${text.length}`);
    expect(Object.keys(body)).toEqual(['channel', 'event', 'data']);
    expect(body.channel).toBe('bench-2');
    expect(JSON.stringify(body.data)).toHaveLength(PAYLOAD_BYTES);
  });

  it('counts each channel by itself and carries the time', () => {
    const requests = new PublishRequests(target, { channels: 2, batchSize: 1, storeSeconds: 60 });
    next(requests, 1);
    next(requests, 0);
    const { body } = next(requests, 1, 123_456_789);
    const payload = Buffer.from(JSON.stringify(body.data));
    expect([readChannel(payload, 0), readSequence(payload, 0), readMicros(payload, 0)]).toEqual([1, 1, 123_456_789]);
    expect(body.store).toBe(60);
  });

  it('says when its message is due', () => {
    const shape = { channels: 1, batchSize: 1, storeSeconds: 0, dueMs: Date.UTC(2030, 0, 31, 9, 5, 7) };
    const { body } = next(new PublishRequests(target, shape), 0, 5);
    expect(body.scheduleExpression).toBe('at(2030-01-31T09:05:07)');
    expect(readMicros(Buffer.from(JSON.stringify(body.data)), 0)).toBe(5);
  });

  it('is signed once and goes out as it was signed, by the door of AWS SDKs', () => {
    const shape = { channels: 2, batchSize: 1, storeSeconds: 0, door: 'lambda' } as const;
    const requests = new PublishRequests(target, shape);
    const first = next(requests, 1, 1);
    expect(next(requests, 1, 2)).toEqual(first);
    expect(first.channels).toEqual([1]);
    const [line = '', ...lines] = first.head.split('\r\n');
    const [method, url] = line.split(' ');
    const rawHeaders = lines.flatMap((header) => header.split(/: (.*)/).slice(0, 2));
    const signed = readSignedRequest({ method, url, rawHeaders });
    verifySignedRequest(signed, Buffer.from(first.text), 's', new SigningKeys());
  });

  it('spreads a batch over the channels', () => {
    const { head, body, channels } = next(
      new PublishRequests(target, { channels: 3, batchSize: 4, storeSeconds: 0 }),
      2,
    );
    expect(head).toMatch(/^POST \/publish\/batch HTTP/);
    expect(channels).toEqual([2, 0, 1, 2]);
    const payloads = body.map(({ data }: { data: unknown }) => Buffer.from(JSON.stringify(data)));
    expect(payloads.map((payload: Buffer) => readChannel(payload, 0))).toEqual([2, 0, 1, 2]);
    expect(payloads.map((payload: Buffer) => readSequence(payload, 0))).toEqual([0, 0, 0, 1]);
  });
});
