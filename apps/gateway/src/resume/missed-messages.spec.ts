import { messageId } from '@hearth/protocol';
import { DeliverRecord } from '@hearth/wire';
import { MAX_MESSAGES, MissedMessages } from './missed-messages';

const at = (sequence: number) => ({ epoch: 1, sequence });
const id = (sequence: number) => messageId(1_000, sequence, 0);
const record = (sequence: number, values: Partial<DeliverRecord> = {}): DeliverRecord => ({
  position: at(sequence),
  previous: at(sequence - 1),
  id: id(sequence),
  frame: Buffer.from(String(sequence)),
  ...values,
});
const missed = (after: number, ...stream: readonly DeliverRecord[]): MissedMessages => {
  const messages = new MissedMessages(id(after), 'me');
  messages.beginReading();
  for (const each of stream) messages.read(each);
  return messages;
};
const told = (messages: MissedMessages) => messages.through(at(Infinity)).map(({ position }) => position.sequence);

describe('missed messages', () => {
  it('are broken where a link behind the message is missing, and not where one before it is', () => {
    expect(missed(2, record(2), record(3), record(5)).isUnbroken).toBe(false);
    expect(missed(5, record(2), record(4), record(5), record(6)).isUnbroken).toBe(true);
    expect(missed(2, record(3), record(4)).isUnbroken).toBe(false);
  });

  it('are found wherever the stream holds them, each once', () => {
    const messages = missed(2, record(1), record(4), record(2), record(3), record(4), record(5));
    expect(told(messages)).toEqual([3, 4, 5]);
  });

  it('are broken when a second look at older records of the stream shows the gap', () => {
    const messages = missed(2, record(9), record(10));
    messages.beginReading();
    for (const sequence of [1, 2, 3, 7, 8, 9, 10]) messages.read(record(sequence));
    expect(told(messages)).toEqual([3, 7, 8, 9, 10]);
    expect(messages.isUnbroken).toBe(false);
  });

  it('are the newest of too many, whichever came first', () => {
    const messages = new MissedMessages(id(0), 'me');
    for (let n = 2_000; n > 1_500; n--) messages.add(record(n));
    for (let n = 0; n <= 2_000; n++) messages.read(record(n));
    expect(told(messages)).toEqual(Array.from({ length: MAX_MESSAGES }, (_, n) => 1_001 + n));
    expect(messages.isUnbroken).toBe(false);
  });
});
