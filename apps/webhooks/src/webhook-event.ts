import { backendEventType, decodeToken } from '@hearth/wire';
import type { StreamMessage } from '@hearth/stream';
import type { WebhookEvent } from '@hearth/store';
import { createHash } from 'node:crypto';

/** Channel names can be longer than an index of Postgres takes. */
const LONGEST_KEY = 200;

/**
 * What a message of the events stream is (pubsub-events §4). Never throws: whatever somebody else may have published
 * there is passed on as it is, in an order of its own.
 *
 * @param streamEpoch counts the lives of the stream
 */
export function webhookEventOf(message: StreamMessage, streamEpoch: number): WebhookEvent {
  const [typeName = '', channelToken = ''] = message.subject.split('.').slice(-2);
  return {
    orderingKey: orderingKeyOf(channelToken, message.payload),
    streamEpoch,
    sequence: message.sequence,
    id: idOf(message, streamEpoch),
    type: backendEventType(typeName.replaceAll('\u0000', '')),
    channel: channelOf(channelToken),
    payload: message.payload,
  };
}

/** Signatures separate their parts by full stops, so an id must not have any. */
function idOf({ messageId, sequence }: StreamMessage, streamEpoch: number): string {
  const id = messageId ?? '';
  return /^[\w-]{1,128}$/.test(id) ? id : `event-${streamEpoch}-${sequence}`;
}

/** Events of a channel are delivered in order, and so are those of a connection that concern no channel. */
function orderingKeyOf(channelToken: string, payload: Uint8Array): string {
  const key = channelToken === '~' ? `~${connectionIdOf(payload)}` : channelToken;
  const isPlain = key.length <= LONGEST_KEY && /^[\x21-\x7e]*$/.test(key);
  // No token and no `~` begins like this.
  return isPlain ? key : `#${createHash('sha256').update(key).digest('base64url')}`;
}

function connectionIdOf(payload: Uint8Array): string {
  try {
    const { data } = JSON.parse(Buffer.from(payload).toString('utf8')) as { data?: { id?: unknown } };
    return typeof data?.id === 'string' ? data.id : '';
  } catch {
    return '';
  }
}

function channelOf(channelToken: string): string | undefined {
  if (channelToken === '~') return undefined;
  try {
    const channel = decodeToken(channelToken);
    // Postgres has no text with it.
    return channel.includes('\u0000') ? undefined : channel;
  } catch {
    return undefined;
  }
}
