import type { OutcomeEvent, SequencedOperation } from '@hearth/channels';
import { derivedId } from '@hearth/protocol';
import { BackendEvent } from '@hearth/wire';
import type { SequencedMessage } from './sequencing';

/** The event of a processed message (pubsub-events §3.5). */
export function messagePublished({ id, event, data }: SequencedMessage): BackendEvent {
  const { channel, event: name, meta } = event;
  const head = `{"channel":${JSON.stringify(channel)},"event":${JSON.stringify(name)},"id":"${id}","data":`;
  const tail = meta === undefined || isAnonymous(meta) ? '}' : `,"meta":${meta}}`;
  return {
    // The id names the event too: a worker that repeats it is recognised by the stream.
    id,
    name: 'messagePublished',
    channel,
    metadata: {
      event: name,
      trigger: event.trigger,
      requestId: event.requestId,
      connectionId: event.connectionId,
      sourceIp: event.sourceIp,
      userAgent: event.userAgent,
    },
    dataJson: Buffer.concat([Buffer.from(head, 'utf8'), data, Buffer.from(tail, 'utf8')]),
  };
}

/** `meta` of a client with neither uid nor umd is left out of events (pubsub-events §3.5). */
function isAnonymous(meta: string): boolean {
  return meta === '{"uid":null,"umd":null}';
}

/** The events that an operation caused, with ids that are the same whenever it is applied. */
export function eventsOf({ id }: SequencedOperation, events: readonly OutcomeEvent[]): BackendEvent[] {
  return events.map((event, index) => ({ ...event, id: derivedId(id, index) }));
}
