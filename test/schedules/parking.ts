import { type IngestEvent, scheduleOf } from '@hearth/wire';
import { randomUUID } from 'node:crypto';
import { delivered } from '../support/delivered';
import type { Testbed } from '../sequencer/testbed';

/** A message that was fanned out. */
export interface Fired {
  readonly id: string;
  /** What the test gave as data. */
  readonly data: number;
}

/** Parks a stored message whose data is a number. */
export async function schedule({ ingest }: Testbed, channel: string, data: number, dueMs: number): Promise<void> {
  const message: IngestEvent = {
    requestId: randomUUID(),
    channel,
    event: 'e',
    trigger: 'server.http',
    store: 600,
    emitPubSubEvent: false,
  };
  const scheduled = scheduleOf(message, String(data), dueMs, ingest.partitionOf(channel), Date.now());
  await ingest.send(scheduled.operation, scheduled.data);
}

/** Everything that was fanned out so far and until so many have come, each place once, as gateways take it. */
export async function fired(
  { ingest, connection }: Testbed,
  count: number,
  channels: readonly string[],
): Promise<Fired[]> {
  for (const channel of channels) await ingest.perform({ kind: 'barrier', channel });
  const found = new Map<string, Fired>();
  await delivered(connection, ({ id, channel, data }) => {
    found.set(`${channel} ${id}`, { id, data: data as number });
    return found.size === count;
  });
  return [...found.values()];
}
