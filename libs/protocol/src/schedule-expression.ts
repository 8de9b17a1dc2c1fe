import { Temporal } from 'temporal-polyfill';
import { ProtocolError } from './errors';
import { typedMember } from './json-text-members';

/** When something scheduled is due (publish-api §7). */

const AT = /^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$/;
/** An IANA name; `+05:00` is none, although time libraries take it. */
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+/-]*$/;

function invalid(message: string): never {
  throw new ProtocolError('INVALID_SCHEDULE', message);
}

/**
 * The instant of an expression such as `at(2026-01-31T09:00:00)` in a time zone.
 *
 * A local time that occurs twice means the earlier instant; one that a change of the clock skips does not exist.
 *
 * @param timezone IANA name
 * @param nowMs the instant must be after this one, ms since 1970
 * @returns ms since 1970
 * @throws ProtocolError `INVALID_SCHEDULE`
 */
export function scheduleInstantMs(expression: string, timezone: string, nowMs: number): number {
  const local = AT.exec(expression)?.[1];
  if (local === undefined) {
    invalid('scheduleExpression must look like at(2026-01-31T09:00:00); rate() and cron() are not supported');
  }
  const wanted = dateTime(local);
  if (!ZONE_NAME.test(timezone)) invalid('scheduleExpressionTimezone must be an IANA time zone such as Europe/Berlin');
  const instant = inZone(wanted, timezone);
  // `earlier` moves a skipped time to before the gap.
  if (!instant.toPlainDateTime().equals(wanted)) {
    invalid(`scheduleExpression: ${local} does not exist in ${timezone}, where the clock skips it`);
  }
  if (instant.epochMilliseconds <= nowMs) invalid('scheduleExpression must lie in the future');
  return instant.epochMilliseconds;
}

function dateTime(local: string): Temporal.PlainDateTime {
  try {
    // Temporal would read second 60 as 59.
    if (local.endsWith(':60')) invalid(`scheduleExpression: ${local} is not a date and time`);
    return Temporal.PlainDateTime.from(local, { overflow: 'reject' });
  } catch {
    return invalid(`scheduleExpression: ${local} is not a date and time`);
  }
}

function inZone(local: Temporal.PlainDateTime, timezone: string): Temporal.ZonedDateTime {
  try {
    return local.toZonedDateTime(timezone, { disambiguation: 'earlier' });
  } catch {
    return invalid(`scheduleExpressionTimezone: ${timezone.slice(0, 64)} is not a known time zone`);
  }
}

/**
 * The instant that the members `scheduleExpression` and `scheduleExpressionTimezone` of a request name, ms since 1970;
 * `undefined` for a request that is not scheduled.
 *
 * @param now this instant for the whole installation, ms since 1970; asked for scheduled requests only
 * @throws ProtocolError `INVALID_TYPE`, `INVALID_SCHEDULE`
 */
export function scheduledMs(object: Readonly<Record<string, unknown>>, now: () => number): number | undefined {
  const expression = typedMember(object, 'scheduleExpression', 'string');
  if (expression === undefined) return undefined;
  const timezone = typedMember(object, 'scheduleExpressionTimezone', 'string');
  return scheduleInstantMs(expression, timezone ?? 'UTC', now());
}
