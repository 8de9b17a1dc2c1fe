import { randomUUID } from 'node:crypto';
import type { LogRow } from '@hearth/store';
import { monotonicFactory } from 'ulid';

const nextId = monotonicFactory();

/** A server message on channel `c1`, kept for ever, with a new id later than all before; `values` says what matters. */
export function logRow(values: Partial<LogRow> = {}): LogRow {
  return {
    channel: 'c1',
    id: nextId(),
    event: 'chat',
    data: '"hi"',
    meta: null,
    connectionId: null,
    sourceIp: '127.0.0.1',
    userAgent: null,
    trigger: 'http',
    requestId: randomUUID(),
    store: -1,
    ...values,
  };
}
