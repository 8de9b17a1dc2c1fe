import type { OutcomeEvent, SequencedOperation } from '@hearth/channels';
import { derivedId } from '@hearth/protocol';
import { BackendEvent } from '@hearth/wire';
import { isOperation, Sequenced, SequencedMessage } from './sequencing';

/** What a message or an operation introduces comes before anything that comes of it. */
function introductionsOf(one: Sequenced): BackendEvent[] {
  const { introduces = [] } = isOperation(one) ? one.operation : one.event;
  return introduces.map((introduction) => ({ ...introduction, name: 'connected', metadata: {} }));
}

/** The events of a processed message, if there shall be any. */
export function eventsOfMessage(message: SequencedMessage): BackendEvent[] {
  if (!message.event.emitPubSubEvent) return [];
  const event = messagePublished(message);
  return message.event.introduces === undefined ? [event] : [...introductionsOf(message), event];
}

/** pubsub-events §3.5 */
function messagePublished({ id, event, data }: SequencedMessage): BackendEvent {
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

/** The events that an operation introduced and caused, with ids that are the same whenever it is applied. */
export function eventsOf(one: SequencedOperation, events: readonly OutcomeEvent[] = []): BackendEvent[] {
  return [...introductionsOf(one), ...events.map((event, index) => ({ ...event, id: derivedId(one.id, index) }))];
}
