import type { AdminAnswer, AdminServer } from '@hearth/runtime';
import { findDeadLetter, listDeadLetters, requestRetry, type Database, type DeadLetter } from '@hearth/store';
import { isValid } from 'ulid';

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
const UNKNOWN: AdminAnswer = { status: 404, body: { error: 'no such dead letter' } };
const INVALID_LIMIT: AdminAnswer = {
  status: 400,
  body: { error: `limit must be a whole number from 1 to ${MAX_LIMIT}` },
};
const INVALID_BEFORE: AdminAnswer = { status: 400, body: { error: 'before must be the id of a dead letter' } };

/** Dead letters on the admin port, which hold what users wrote: look at them, and have them sent again. */
export function addDeadLetterRoutes(admin: AdminServer, { db }: Database): void {
  admin.addRoute({
    method: 'GET',
    path: /^\/webhooks\/dead-letters$/,
    isGuarded: true,
    answer: async (_, query) => {
      const wanted = query.get('limit') ?? String(DEFAULT_LIMIT);
      const limit = Number(wanted);
      if (!/^\d+$/.test(wanted) || limit < 1 || limit > MAX_LIMIT) return INVALID_LIMIT;
      const before = query.get('before') ?? undefined;
      if (before !== undefined && !isValid(before)) return INVALID_BEFORE;
      const target = query.get('target') ?? undefined;
      const letters = await listDeadLetters(db, { target, before, limit });
      const next = letters.length < limit ? null : (letters.at(-1)?.id ?? null);
      return { status: 200, body: { deadLetters: letters.map(summaryOf), next } };
    },
  });
  admin.addRoute({
    method: 'GET',
    path: /^\/webhooks\/dead-letters\/(\w+)$/,
    isGuarded: true,
    answer: async ([id = '']) => {
      const letter = await findDeadLetter(db, id);
      if (letter === undefined) return UNKNOWN;
      return { status: 200, body: { ...summaryOf(letter), payload: letter.payload.toString('utf8') } };
    },
  });
  admin.addRoute({
    method: 'POST',
    path: /^\/webhooks\/dead-letters\/(\w+)\/retry$/,
    isGuarded: true,
    answer: async ([id = '']) => {
      const requested = await requestRetry(db, { id });
      return requested === 0 ? UNKNOWN : { status: 202, body: { requested } };
    },
  });
  admin.addRoute({
    method: 'POST',
    path: /^\/webhooks\/dead-letters\/retry$/,
    isGuarded: true,
    answer: async (_, query) => {
      const requested = await requestRetry(db, { target: query.get('target') ?? undefined });
      return { status: 202, body: { requested } };
    },
  });
}

/** Payloads are what users wrote: they are shown one at a time, to whoever asks for one. */
function summaryOf({ payload, ...summary }: DeadLetter): object {
  return { ...summary, bytes: payload.length };
}
