import { CLOUD_EVENT_TYPE, encodeBackendEvent, isCloudEvent } from './backend-event';
import { derivedId, isUlid, messageId } from '@hearth/protocol';

const versions = { compatVersion: '1.13.5', version: '0.1.0' };

describe('encodeBackendEvent (pubsub-events §1, §4)', () => {
  it('puts data through as written, and all metadata but the versions into headers', () => {
    const { subject, headers, payload } = encodeBackendEvent(
      {
        id: '01JA3S0TNEC2QBYMZRBMCEXGNW',
        name: 'messagePublished',
        channel: 'presence.chat',
        metadata: { event: 'a b', trigger: 'server.http', requestId: 'r', sourceIp: undefined },
        dataJson: '{"data":1.0}',
      },
      'hearth.events.v1',
      versions,
    );
    expect(subject).toBe('hearth.events.v1.message.messagePublished.presence%2Echat');
    expect(headers).toEqual({
      'Hearth-Source': 'hotsock.v1',
      'Hearth-Type': 'hotsock.messagePublished',
      'Hearth-Data-Type': 'message',
      'Hearth-Channel': 'presence%2Echat',
      'Hearth-Event': 'a%20b',
      'Hearth-Trigger': 'server%2Ehttp',
      'Hearth-Request-Id': 'r',
    });
    expect(payload.toString()).toBe(
      '{"source":"hotsock.v1","type":"hotsock.messagePublished","metadata":{"hotsockVersion":"1.13.5",' +
        '"hearthVersion":"0.1.0","channel":"presence.chat","event":"a b","trigger":"server.http","requestId":"r"},' +
        '"data":{"data":1.0},"dataType":"message"}',
    );
  });

  it('is a CloudEvent when asked for (§4.5), with data as written', () => {
    const event = {
      id: '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ',
      name: 'messagePublished',
      channel: 'presence.chat',
      metadata: { event: 'a b', trigger: 'server.http', requestId: 'r', connectionId: undefined },
      dataJson: Buffer.from('{"data":1.0}'),
    } as const;
    const { headers, payload, subject } = encodeBackendEvent(event, 'p', versions, 'cloudevents');
    const { headers: plain, payload: other } = encodeBackendEvent(event, 'p', versions);
    expect([subject, headers]).toEqual([
      'p.message.messagePublished.presence%2Echat',
      { ...plain, 'Content-Type': CLOUD_EVENT_TYPE },
    ]);
    expect(payload.toString()).toBe(
      '{"specversion":"1.0","id":"01J9ZK3V7Q8W2X5Y6ABCDEFGHJ","source":"hotsock.v1","type":"hotsock.messagePublished",' +
        '"subject":"presence.chat","time":"2024-10-12T05:27:11.351Z","datacontenttype":"application/json","datatype":"message",' +
        '"hotsockversion":"1.13.5","hearthversion":"0.1.0","event":"a b","trigger":"server.http","requestid":"r","data":{"data":1.0}}',
    );
    expect([isCloudEvent(payload), isCloudEvent(other), isCloudEvent(Buffer.from('{'))]).toEqual([true, false, false]);
    expect(
      Object.keys(JSON.parse(payload.toString()) as object).filter((name) => !/^[a-z0-9]{1,20}$/.test(name)),
    ).toEqual([]);
  });

  it('names no channel for events of a connection', () => {
    const event = { id: '0', name: 'connected', metadata: {}, dataJson: '{}' } as const;
    expect(encodeBackendEvent(event, 'p', versions).subject).toBe('p.connection.connected.~');
  });

  it('gives storage events three headers of their metadata only (§4.3)', () => {
    const metadata = { key: 'k', trigger: 'client.http', connectionId: 'c', sourceIp: '::1' };
    const event = { id: '0', name: 'channelStorageUpdated', channel: 'c', metadata, dataJson: '{}' } as const;
    expect(Object.keys(encodeBackendEvent(event, 'p', versions).headers).slice(3)).toEqual([
      'Hearth-Channel',
      'Hearth-Key',
      'Hearth-Trigger',
    ]);
  });
});

describe('derivedId', () => {
  it('gives every event of an operation a ULID of its own', () => {
    const id = messageId(Date.now(), 2 ** 40, 7);
    const ids = Array.from({ length: 1_000 }, (_, index) => derivedId(id, index));
    expect(ids[0]).toBe(id);
    expect(new Set(ids).size).toBe(1_000);
    expect(ids.every(isUlid)).toBe(true);
  });
});
