import { PAYLOAD_BYTES, payloadTemplate, stampPayload } from './payload';
import { Door, Target } from './job';
import { signedHead } from './signed-head';
import { channelName } from './tokens';

/** A publish request ready to be sent but for time and sequence, which are stamped in place. */
interface RequestTemplate {
  readonly bytes: Buffer;
  /** Channel and payload position of each message in it. A signed one has no position: it is sent as it was signed. */
  readonly messages: readonly { readonly channel: number; readonly payloadAt?: number }[];
}

/** Shape of the publishes of one run. */
export interface PublishShape {
  readonly channels: number;
  /** 1 posts to `/publish`; more goes to `/publish/batch`, the messages spread over consecutive channels. */
  readonly batchSize: number;
  /** Seconds to keep the messages; 0 leaves the member out. */
  readonly storeSeconds: number;
  /** When the messages are due, a whole second in ms since 1970; published at once when absent. */
  readonly dueMs?: number;
  /** By `lambda` a request has one message and is signed when the run begins, so its payload never changes. */
  readonly door?: Door;
}

/** One prepared request per channel, so that publishing costs a copy and a few digits. */
export class PublishRequests {
  private readonly templates: readonly RequestTemplate[];
  private readonly nextSequence: number[];

  constructor(target: Target, shape: PublishShape) {
    this.templates = Array.from({ length: shape.channels }, (_, channel) => build(target, shape, channel));
    this.nextSequence = Array.from({ length: shape.channels }, () => 0);
  }

  /** Size of a buffer that holds any of the requests. */
  get maxBytes(): number {
    return Math.max(...this.templates.map(({ bytes }) => bytes.length));
  }

  /**
   * Writes the next request that begins with `channel` into `buffer`, stamped with `micros`.
   * @returns its length in bytes and the channels of its messages.
   */
  fill(buffer: Buffer, channel: number, micros: number): { bytes: number; channels: readonly number[] } {
    const template = this.templates[channel];
    if (!template) throw new RangeError(`no channel ${channel}`);
    template.bytes.copy(buffer);
    const channels: number[] = [];
    for (const message of template.messages) {
      const sequence = this.nextSequence[message.channel] ?? 0;
      this.nextSequence[message.channel] = sequence + 1;
      if (message.payloadAt !== undefined) stampPayload(buffer, message.payloadAt, micros, sequence);
      channels.push(message.channel);
    }
    return { bytes: template.bytes.length, channels };
  }
}

function build(target: Target, shape: PublishShape, first: number): RequestTemplate {
  const channels = Array.from({ length: shape.batchSize }, (_, i) => (first + i) % shape.channels);
  const store = shape.storeSeconds > 0 ? `"store":${shape.storeSeconds},` : '';
  const due = shape.dueMs === undefined ? '' : `"scheduleExpression":"${atExpression(shape.dueMs)}",`;
  const documents = channels.map(
    (channel) =>
      `{"channel":"${channelName(channel)}",${store}${due}"event":"bench","data":${payloadTemplate(channel)}}`,
  );
  if (shape.door === 'lambda') return buildSigned(target, documents.join(''), first);
  const body = shape.batchSize === 1 ? documents.join('') : `[${documents.join(',')}]`;
  const path = shape.batchSize === 1 ? '/publish' : '/publish/batch';
  const head =
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nAuthorization: Bearer ${target.apiKey}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  let at = head.length;
  const messages = documents.map((document, i) => {
    // The payload is the last member of its document.
    const payloadAt = at + (i === 0 && shape.batchSize > 1 ? 1 : 0) + document.length - 1 - PAYLOAD_BYTES;
    at = payloadAt + PAYLOAD_BYTES + 1 + 1;
    return { channel: channels[i] ?? 0, payloadAt };
  });
  return { bytes: Buffer.from(head + body, 'latin1'), messages };
}

/** publish-api §7: in UTC, to the second. */
function atExpression(dueMs: number): string {
  return `at(${new Date(dueMs).toISOString().slice(0, 19)})`;
}

function buildSigned(target: Target, body: string, channel: number): RequestTemplate {
  const { path, headers } = signedHead(target, body);
  const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}`] : []));
  const head = `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  return { bytes: Buffer.from(head + body, 'latin1'), messages: [{ channel }] };
}
