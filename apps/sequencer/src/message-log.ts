import {
  appendAndAdvance,
  appendMessages,
  claimDeduplicationIds,
  Database,
  fenceAndAdvance,
  FencedPosition,
  LogRow,
  withBatch,
} from '@hearth/store';
import type { SequencedMessage } from './sequencing';

/** Only what must touch Postgres does: a message that is neither kept nor deduplicated never comes here. */
export function isDurable({ event }: SequencedMessage): boolean {
  return event.store !== 0 || event.deduplicationId !== undefined;
}

/**
 * Commits a batch: drops duplicates and appends what is to be kept, in one transaction that also proves that the
 * partition is still ours.
 *
 * @param safe position up to which everything has been fanned out; saved along because it costs nothing here
 * @returns the messages that are duplicates of an earlier one
 * @throws FencedError when another worker owns the partition
 */
export async function commitBatch(
  database: Database,
  messages: readonly SequencedMessage[],
  safe: FencedPosition,
  deduplication: { readonly windowMs: number; readonly scope: 'global' | 'channel' },
): Promise<ReadonlySet<SequencedMessage>> {
  const withId = messages.filter(({ event }) => event.deduplicationId !== undefined);
  if (withId.length === 0) {
    await appendAndAdvance(database.db, safe, logRows(messages));
    return new Set();
  }
  const entries = withId.map((message) => ({
    id: deduplicationKey(message, deduplication.scope),
    timeMs: message.acceptedMs,
    partition: safe.partition,
    streamEpoch: message.position.epoch,
    seq: message.position.sequence,
  }));
  return withBatch(database.db, async (tx) => {
    await fenceAndAdvance(tx, safe);
    const isFirst = await claimDeduplicationIds(tx, entries, deduplication.windowMs);
    const duplicates = new Set(withId.filter((_, index) => isFirst[index] !== true));
    await appendMessages(tx, logRows(messages.filter((message) => !duplicates.has(message))));
    return duplicates;
  });
}

/** No channel name contains a comma, so the two parts cannot be confused. */
function deduplicationKey({ event }: SequencedMessage, scope: 'global' | 'channel'): string {
  const id = event.deduplicationId ?? '';
  return scope === 'channel' ? `${event.channel},${id}` : id;
}

function logRows(messages: readonly SequencedMessage[]): LogRow[] {
  return messages.filter(({ event }) => event.store !== 0).map(logRow);
}

function logRow({ id, event, data }: SequencedMessage): LogRow {
  return {
    channel: event.channel,
    id,
    event: event.event,
    data: data.toString('utf8'),
    meta: event.meta ?? null,
    connectionId: event.connectionId ?? null,
    sourceIp: event.sourceIp ?? null,
    userAgent: event.userAgent ?? null,
    trigger: event.trigger,
    requestId: event.requestId,
    store: event.store,
  };
}
