import fc from 'fast-check';
import { comparePositions, decodeDeliverRecord, DeliverNotice, encodeDeliverRecord } from './deliver-record';
import { decodeIngest, encodeIngestEvent, IngestEvent } from './ingest-event';
import { encodeIngestOperation, IngestOperation } from './ingest-operation';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const optionalText = fc.option(text, { nil: undefined });

describe('ingest events', () => {
  it('come back as they were sent, with their data byte for byte', () => {
    const events: fc.Arbitrary<IngestEvent> = fc.record({
      requestId: text,
      channel: text,
      event: text,
      trigger: fc.constantFrom('client.websocket', 'client.http', 'server.lambda', 'server.http'),
      store: fc.integer({ min: -1 }),
      emitPubSubEvent: fc.boolean(),
      deduplicationId: optionalText,
      eagerId: optionalText,
      meta: optionalText,
      connectionId: optionalText,
      echo: fc.boolean(),
      sourceIp: optionalText,
      userAgent: optionalText,
      acknowledgeTo: optionalText,
      introduces: fc.option(fc.array(fc.record({ id: text, dataJson: text })), { nil: undefined }),
    });
    fc.assert(
      fc.property(events, fc.json(), (event, data) => {
        const decoded = decodeIngest(encodeIngestEvent(event, data));
        expect(decoded.event).toEqual(event);
        expect(decoded.data.toString('utf8')).toBe(data);
      }),
    );
  });

  it('keeps data that spans lines', () => {
    const event = {
      requestId: 'r',
      channel: 'c',
      event: 'e',
      trigger: 'server.http',
      store: 0,
      emitPubSubEvent: false,
    } as const;
    expect(decodeIngest(encodeIngestEvent(event, '{\n"a":\n1}')).data.toString()).toBe('{\n"a":\n1}');
  });

  it.each(['', 'x', '\n', '{}\n1', '{"c":1}\n1', 'null\n1'])('refuses what it did not write: %j', (payload) => {
    expect(() => decodeIngest(Buffer.from(payload))).toThrow();
  });
});

describe('ingest operations', () => {
  const operation: IngestOperation = { kind: 'cancel', partition: 3, scheduleId: 's', acknowledgeTo: '_INBOX.x' };

  it('come back as they were sent, with their data byte for byte', () => {
    const { operation: decoded, data } = decodeIngest(encodeIngestOperation(operation, '{"a":\n1.0}'));
    expect(decoded).toEqual(operation);
    expect(data.toString()).toBe('{"a":\n1.0}');
  });

  it('are no messages', () => {
    expect(decodeIngest(encodeIngestOperation(operation)).event).toBeUndefined();
  });

  it.each(['{"kind":"explode"}\n', '{"kind":"__proto__"}\n', '{"kind":1}\n'])(
    'are refused when unknown: %j',
    (payload) => {
      expect(() => decodeIngest(Buffer.from(payload))).toThrow();
    },
  );
});

describe('deliver records', () => {
  it.each<[string, DeliverNotice]>([
    ['a change of members', { kind: 'presence' }],
    [
      'an entering member',
      {
        kind: 'presence',
        joined: { connectionId: 'q83vEjRWeJCrze8=', attempt: 7, members: Buffer.from('[{"uid":"é","umd":null}]') },
      },
    ],
    ['a storage entry', { kind: 'storage', key: 'a:b c%~日' }],
  ])('come back with their notice: %s', (_what, notice) => {
    const position = { epoch: 1, sequence: 2 };
    const record = { position, previous: undefined, id: '01JA3S0TNEC2QBYMZRBMCEXGNW', notice };
    for (const frame of ['', '{"event":"x"}']) {
      const sent = { ...record, exceptConnectionId: undefined, frame: Buffer.from(frame) };
      expect(decodeDeliverRecord(encodeDeliverRecord(sent))).toEqual(sent);
    }
  });

  it('come back as they were sent', () => {
    const position = fc.record({ epoch: fc.nat(), sequence: fc.nat() });
    fc.assert(
      fc.property(
        position,
        fc.option(position, { nil: undefined }),
        fc.boolean(),
        text,
        (own, previous, except, frame) => {
          const record = {
            position: own,
            previous,
            id: '01JA3S0TNEC2QBYMZRBMCEXGNW',
            exceptConnectionId: except ? 'q83vEjRWeJCrze8=' : undefined,
            frame: Buffer.from(frame),
          };
          expect(decodeDeliverRecord(encodeDeliverRecord(record))).toEqual(record);
        },
      ),
    );
  });

  it.each(['', 'x\n', '1.1 - id\n{}', '1 - id -\n{}', '1.1 - id - X\n{}', '1.1 - id - J:c:9\n{}'])(
    'refuses what it did not write: %j',
    (payload) => {
      expect(() => decodeDeliverRecord(Buffer.from(payload))).toThrow();
    },
  );

  it('orders positions by epoch, then by sequence', () => {
    expect(comparePositions({ epoch: 1, sequence: 9 }, { epoch: 2, sequence: 1 })).toBeLessThan(0);
    expect(comparePositions({ epoch: 2, sequence: 2 }, { epoch: 2, sequence: 1 })).toBeGreaterThan(0);
    expect(comparePositions({ epoch: 2, sequence: 1 }, { epoch: 2, sequence: 1 })).toBe(0);
  });
});
