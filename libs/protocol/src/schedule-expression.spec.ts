import { ProtocolError } from './errors';
import { scheduledMs, scheduleInstantMs } from './schedule-expression';

const NOW = Date.UTC(2026, 0, 1);

/** The instant as UTC text, or the code of the refusal. */
function instant(expression: string, timezone = 'UTC', nowMs = NOW): string {
  try {
    return new Date(scheduleInstantMs(expression, timezone, nowMs)).toISOString();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

describe('a schedule expression (publish-api §7)', () => {
  it.each<[expression: string, timezone: string, expected: string]>([
    ['at(2026-01-31T09:00:00)', 'UTC', '2026-01-31T09:00:00.000Z'],
    ['at(2026-01-31T09:00:00)', 'Europe/Berlin', '2026-01-31T08:00:00.000Z'],
    ['at(2026-07-31T09:00:00)', 'Europe/Berlin', '2026-07-31T07:00:00.000Z'],
    ['at(2026-07-31T09:00:00)', 'america/new_york', '2026-07-31T13:00:00.000Z'],
    ['at(2026-07-31T09:00:00)', 'Asia/Kathmandu', '2026-07-31T03:15:00.000Z'],
    ['at(2026-07-31T09:00:00)', 'Etc/GMT+5', '2026-07-31T14:00:00.000Z'],
    // Repeated by the end of summer time: the earlier one.
    ['at(2026-10-25T02:30:00)', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
    ['at(2026-11-01T01:30:00)', 'America/New_York', '2026-11-01T05:30:00.000Z'],
    // The edges of the skipped hour exist.
    ['at(2026-03-29T01:59:59)', 'Europe/Berlin', '2026-03-29T00:59:59.000Z'],
    ['at(2026-03-29T03:00:00)', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
    ['at(2028-02-29T00:00:00)', 'UTC', '2028-02-29T00:00:00.000Z'],
    ['at(9999-12-31T23:59:59)', 'UTC', '9999-12-31T23:59:59.000Z'],
    ['at(9999-12-31T23:59:59)', 'America/New_York', '+010000-01-01T04:59:59.000Z'],
    ['at(2026-01-01T00:00:01)', 'UTC', '2026-01-01T00:00:01.000Z'],
  ])('%s in %s is %s', (expression, timezone, expected) => expect(instant(expression, timezone)).toBe(expected));

  it.each<[expression: string, timezone: string]>([
    ['at(2026-03-29T02:30:00)', 'Europe/Berlin'],
    ['at(2026-03-29T02:00:00)', 'Europe/Berlin'],
    ['at(2026-01-31T09:00:00)', 'Africa/Nowhere'],
    ['at(2026-02-29T00:00:00)', 'UTC'],
    ['at(2100-02-29T00:00:00)', 'UTC'],
    ['at(2026-04-31T00:00:00)', 'UTC'],
    ['at(2026-13-01T00:00:00)', 'UTC'],
    ['at(2026-00-01T00:00:00)', 'UTC'],
    ['at(2026-01-31T24:00:00)', 'UTC'],
    ['at(2026-01-31T23:60:00)', 'UTC'],
    ['at(2026-06-30T23:59:60)', 'UTC'],
    ['at(2026-01-01T00:00:00)', 'UTC'],
    ['at(2025-12-31T23:59:59)', 'UTC'],
    ['at(0000-01-01T00:00:00)', 'UTC'],
    ['at(2026-01-31T09:00:00Z)', 'UTC'],
    ['at(2026-01-31T09:00:00.5)', 'UTC'],
    ['at(2026-01-31T09:00:00+01:00)', 'UTC'],
    ['at(2026-01-31T09:00)', 'UTC'],
    ['at(2026-01-31 09:00:00)', 'UTC'],
    ['at( 2026-01-31T09:00:00)', 'UTC'],
    ['AT(2026-01-31T09:00:00)', 'UTC'],
    ['at(2026-01-31T09:00:00) ', 'UTC'],
    ['rate(5 minutes)', 'UTC'],
    ['cron(0 9 * * ? *)', 'UTC'],
    ['', 'UTC'],
    ['at(2026-01-31T09:00:00)', '+05:00'],
    ['at(2026-01-31T09:00:00)', '05:00'],
    ['at(2026-01-31T09:00:00)', 'Mars/Phobos'],
    ['at(2026-01-31T09:00:00)', ''],
    ['at(2026-01-31T09:00:00)', 'Europe/Berlin[u-ca=hebrew]'],
  ])('%s in %s is refused', (expression, timezone) => {
    expect(instant(expression, timezone)).toBe('INVALID_SCHEDULE');
  });

  it('refuses a time zone of any length', () => {
    expect(instant('at(2026-01-31T09:00:00)', 'A'.repeat(100_000))).toBe('INVALID_SCHEDULE');
  });

  it('counts in UTC without a time zone, and nothing without an expression', () => {
    expect(scheduledMs({ scheduleExpression: 'at(2026-01-02T00:00:00)' }, () => NOW)).toBe(Date.UTC(2026, 0, 2));
    expect(scheduledMs({ scheduleExpressionTimezone: 'Mars/Phobos' }, () => NOW)).toBeUndefined();
    expect(scheduledMs({ scheduleExpression: null, scheduleExpressionTimezone: null }, () => NOW)).toBeUndefined();
    expect(() => scheduledMs({ scheduleExpression: 1 }, () => NOW)).toThrow('scheduleExpression');
    expect(scheduledMs({ scheduleExpressionTimezone: 1 }, () => NOW)).toBeUndefined();
    const both = { scheduleExpression: 'at(2026-01-02T00:00:00)', scheduleExpressionTimezone: 1 };
    expect(() => scheduledMs(both, () => NOW)).toThrow('scheduleExpressionTimezone');
  });
});
