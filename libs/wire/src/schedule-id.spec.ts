import { isUlid } from '@hearth/protocol';
import { newScheduleId, partitionOfSchedule } from './schedule-id';

describe('names of schedules', () => {
  it.each([0, 1, 15, 31, 32, 32_767])('tell their partition: %d', (partition) => {
    const id = newScheduleId(Date.now(), partition);
    expect(isUlid(id)).toBe(true);
    expect(partitionOfSchedule(id, 32_768)).toBe(partition);
    expect(partitionOfSchedule(id.toLowerCase(), 32_768)).toBe(partition);
  });

  it('differ', () => {
    const ids = Array.from({ length: 10_000 }, () => newScheduleId(0, 0));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(['', 'x', '01JA3S0TNEC2QBYMZRBMCEXZZZ'])('are recognised: %j is none', (text) => {
    expect(partitionOfSchedule(text, 4)).toBeUndefined();
  });
});
