import { encodeIngestOperation, IngestOperation, operationOf } from './ingest-operation';

/**
 * What travels on the ingest streams: one line of JSON about the message, then the publisher's `data` as written.
 * Keys are short because every message carries them; the line is JSON so that a newer node may add to it. What is no
 * message is an operation (`ingest-operation.ts`), whose line has a `kind`.
 */

/** Who published: `trigger` of backend events (pubsub-events §3.5). */
export type Trigger = 'client.websocket' | 'client.http' | 'server.lambda' | 'server.http';

/** An accepted message on its way to the sequencer. */
export interface IngestEvent {
  readonly requestId: string;
  readonly channel: string;
  readonly event: string;
  readonly trigger: Trigger;
  /** Seconds; 0 = not stored, -1 = for ever. */
  readonly store: number;
  readonly emitPubSubEvent: boolean;
  readonly deduplicationId?: string;
  /** Within its channel at most one is accepted in `REF_WINDOW_SECONDS` (`clientRef`). */
  readonly ref?: string;
  /** ULID that was promised to the publisher. */
  readonly eagerId?: string;
  /** JSON text `{"uid","umd"}`; present iff a client published. */
  readonly meta?: string;
  readonly connectionId?: string;
  /** The sender's connection gets a copy too; without it, it is left out. */
  readonly echo?: boolean;
  readonly sourceIp?: string;
  readonly userAgent?: string;
  /** Subject to tell once the message is committed and fanned out. */
  readonly acknowledgeTo?: string;
  readonly introduces?: readonly Introduction[];
}

/**
 * A connection's `connected` event, which goes with what leads to other events of it for as long as the stream of events is
 * not known to hold it: whoever tells those tells it first, under the same id, and the stream drops what it has already.
 */
export interface Introduction {
  /** ULID of the event. */
  readonly id: string;
  /** JSON text of its `data`. */
  readonly dataJson: string;
}

interface IngestLine {
  r: string;
  c: string;
  e: string;
  t: Trigger;
  s?: number;
  p?: 1;
  d?: string;
  i?: string;
  m?: string;
  n?: string;
  o?: 1;
  ip?: string;
  ua?: string;
  a?: string;
  f?: string;
  in?: readonly Introduction[];
}

/** @param data JSON text of the message's data */
export function encodeIngestEvent(event: IngestEvent, data: string): Buffer {
  const line: IngestLine = {
    r: event.requestId,
    c: event.channel,
    e: event.event,
    t: event.trigger,
    s: event.store === 0 ? undefined : event.store,
    p: event.emitPubSubEvent ? 1 : undefined,
    d: event.deduplicationId,
    i: event.eagerId,
    m: event.meta,
    n: event.connectionId,
    o: event.echo === true ? 1 : undefined,
    ip: event.sourceIp,
    ua: event.userAgent,
    a: event.acknowledgeTo,
    f: event.ref,
    in: event.introduces,
  };
  return Buffer.from(`${JSON.stringify(line)}\n${data}`, 'utf8');
}

/** A message or an operation as it stands in an ingest stream. @param data JSON text, for kinds that carry some */
export function encodeIngest(what: IngestEvent | IngestOperation, data: string): Buffer {
  return 'kind' in what ? encodeIngestOperation(what, data) : encodeIngestEvent(what, data);
}

/** A message or an operation, and the bytes of its data (a view into the payload). */
export type IngestRecord =
  | { readonly event: IngestEvent; readonly operation?: undefined; readonly data: Buffer }
  | { readonly event?: undefined; readonly operation: IngestOperation; readonly data: Buffer };

/** @throws Error when the payload was written neither by `encodeIngestEvent` nor by `encodeIngestOperation` */
export function decodeIngest(payload: Uint8Array): IngestRecord {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const newline = bytes.indexOf(0x0a);
  if (newline < 0) throw new Error('not an ingest event: no first line');
  const line = JSON.parse(bytes.toString('utf8', 0, newline)) as Partial<IngestLine> | null;
  if (typeof line?.c !== 'string' || typeof line.e !== 'string' || typeof line.r !== 'string' || line.t === undefined) {
    const operation = line === null ? undefined : operationOf(line);
    if (operation !== undefined) return { operation, data: bytes.subarray(newline + 1) };
    throw new Error('not an ingest event: its first line lacks a member');
  }
  const event: IngestEvent = {
    requestId: line.r,
    channel: line.c,
    event: line.e,
    trigger: line.t,
    store: line.s ?? 0,
    emitPubSubEvent: line.p === 1,
    deduplicationId: line.d,
    eagerId: line.i,
    meta: line.m,
    connectionId: line.n,
    echo: line.o === 1,
    sourceIp: line.ip,
    userAgent: line.ua,
    acknowledgeTo: line.a,
    ref: line.f,
    introduces: line.in,
  };
  return { event, data: bytes.subarray(newline + 1) };
}
