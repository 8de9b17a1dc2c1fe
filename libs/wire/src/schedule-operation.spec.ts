import { decodeIngest, IngestEvent } from './ingest-event';
import { StorageOperation } from './ingest-operation';
import { idTimeMs } from '@hearth/protocol';
import { partitionOfSchedule } from './schedule-id';
import { scheduleArn, scheduleIdOf, scheduleOf } from './schedule-operation';

const NOW = Date.UTC(2026, 0, 1);
const DUE = NOW + 60_000;
const message: IngestEvent = {
  requestId: 'r',
  channel: 'c',
  event: 'e',
  trigger: 'server.http',
  store: 60,
  emitPubSubEvent: true,
  deduplicationId: 'd',
  acknowledgeTo: '_INBOX.x',
};

const parked = (data: string) => decodeIngest(Buffer.from(data));

describe('a schedule', () => {
  it('parks a message as it would stand in the stream, but for whom to tell', () => {
    const { operation, data, scheduleId, eagerId } = scheduleOf(message, '{"a":"\\n"}', DUE, 3, NOW);
    expect(operation).toEqual({ kind: 'schedule', channel: 'c', scheduleId, dueMs: DUE });
    expect(parked(data).event).toMatchObject({ ...message, acknowledgeTo: undefined });
    expect(parked(data).data.toString()).toBe('{"a":"\\n"}');
    expect(eagerId).toBeUndefined();
  });

  it('introduces a connection itself, and not once more when it is due', () => {
    const introduces = [{ id: '01J9ZK3V7Q8W2X5Y6ABCDEFGHK', dataJson: '{}' }];
    const { operation, data } = scheduleOf({ ...message, introduces }, '1', DUE, 3, NOW);
    expect(operation.introduces).toEqual(introduces);
    expect(parked(data).event?.introduces).toBeUndefined();
  });

  it('parks a storage write', () => {
    const write: StorageOperation = {
      kind: 'storage',
      channel: 'c',
      key: 'k',
      store: -1,
      emitPubSubEvent: false,
      meta: '{"uid":null,"umd":null}',
      trigger: 'server.http',
      requestId: 'r',
    };
    const { data } = scheduleOf(write, '1', DUE, 3, NOW);
    expect(parked(data).operation).toEqual(write);
    expect(parked(data).data.toString()).toBe('1');
  });

  it('has a name of its own that tells its partition', () => {
    const names = [1, 2].map(() => scheduleOf(message, 'null', DUE, 3, NOW).scheduleId);
    expect(new Set(names).size).toBe(2);
    for (const name of names) {
      expect(partitionOfSchedule(name, 16)).toBe(3);
      expect(idTimeMs(name)).toBe(NOW);
    }
  });

  it('moves the id that was promised to the instant of delivery', () => {
    const { data, eagerId = '' } = scheduleOf({ ...message, eagerId: '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ' }, '1', DUE, 3, NOW);
    expect(idTimeMs(eagerId)).toBe(DUE);
    expect(eagerId).toHaveLength(26);
    expect(eagerId.slice(10)).toBe('8W2X5Y6ABCDEFGHJ');
    expect(parked(data).event?.eagerId).toBe(eagerId);
  });
});

describe('the ARN of a schedule', () => {
  const name = '01J9ZK3V7Q8W2X5Y6ABCDEFGHK';
  const arn = `arn:aws:scheduler:us-east-1:000000000000:schedule/Hearth/${name}`;

  it('has the shape of AWS', () => {
    const naming = { awsRegion: 'us-east-1', awsAccountId: '000000000000', scheduleGroup: 'Hearth' };
    expect(scheduleArn(naming, name)).toBe(arn);
  });

  it.each([name, name.toLowerCase(), arn, arn.replace('us-east-1', 'eu-west-3').replace('Hearth', 'other')])(
    'and %s name the schedule',
    (given) => expect(scheduleIdOf(given)).toBe(name),
  );
});
