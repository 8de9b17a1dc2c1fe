import { sameJson, storageUpdatedFrame, utcSeconds } from '@hearth/protocol';
import { OperationOf } from '@hearth/wire';
import type { ChannelState } from './channel-state';
import { NOTHING, Outcome, OutcomeEvent, OutcomeRecord, SequencedOf } from './outcome';
import type { StorageRow } from './rows';

/** Storage entries of channels (channels-presence-storage §5). */

/** What is told about the request that wrote an entry last (pubsub-events §3.6). */
type Origin = Pick<OperationOf<'storage'>, 'trigger' | 'connectionId' | 'sourceIp' | 'userAgent'>;

/**
 * Sets an entry, or clears it when the value is `null` or `{}` (§5.2). A value that equals the present one refreshes
 * everything else about the entry and nobody hears of it. An entry whose time has passed is none: it ends first, with the
 * event that is due for it.
 */
export function applyStorage({ operation, acceptedMs, data }: SequencedOf<'storage'>, state: ChannelState): Outcome {
  const { channel, key, store, meta, emitPubSubEvent } = operation;
  const stored = state.storage.get({ channel, key });
  const ended = stored !== undefined && hasEnded(stored, acceptedMs) ? stored : undefined;
  const present = ended === undefined ? stored : undefined;
  const value = data.toString('utf8');
  const row: StorageRow | undefined = isNoValue(value)
    ? undefined
    : {
        channel,
        key,
        data: value,
        meta,
        expiresMs: store === -1 ? null : acceptedMs + store * 1_000,
        emitEvent: emitPubSubEvent,
        origin: JSON.stringify(originOf(operation)),
      };
  if (row !== undefined) state.storage.put(row);
  else if (stored !== undefined) state.storage.drop({ channel, key });

  const events = ended?.emitEvent === true ? [expired(ended)] : [];
  const isChanged =
    row === undefined ? present !== undefined : present === undefined || !sameJson(present.data, row.data);
  if (!isChanged) return events.length === 0 ? NOTHING : { events };
  if (emitPubSubEvent) events.push(updated(operation, present, row));
  return { events, record: recordOf(channel, key, row?.data ?? 'null', meta) };
}

/** Removes an entry whose time has passed, if it still is the one that was meant. Observers hear nothing of it. */
export function applyStorageExpiry(
  { operation, acceptedMs }: SequencedOf<'storageExpiry'>,
  state: ChannelState,
): Outcome {
  const { channel, key, expiresMs } = operation;
  const row = state.storage.get({ channel, key });
  if (row?.expiresMs !== expiresMs || !hasEnded(row, acceptedMs)) return NOTHING;
  state.storage.drop({ channel, key });
  return row.emitEvent ? { events: [expired(row)] } : NOTHING;
}

/** `null` and `{}` clear an entry; everything else is a value (§5.1). */
function isNoValue(json: string): boolean {
  return /^\s*(null|\{\s*\})\s*$/.test(json);
}

function hasEnded({ expiresMs }: StorageRow, atMs: number): boolean {
  return expiresMs !== null && expiresMs <= atMs;
}

function originOf({ trigger, connectionId, sourceIp, userAgent }: Origin): Origin {
  return { trigger, connectionId, sourceIp, userAgent };
}

function recordOf(channel: string, key: string, dataJson: string, meta: string): OutcomeRecord {
  const frame = Buffer.from(storageUpdatedFrame(channel, key, dataJson, meta), 'utf8');
  return { channel, notice: { kind: 'storage', key }, frame };
}

function updated(
  operation: OperationOf<'storage'>,
  previous: StorageRow | undefined,
  row: StorageRow | undefined,
): OutcomeEvent {
  const { channel, key, meta } = operation;
  const values = { data: row?.data, previous: previous?.data, expiresMs: row?.expiresMs ?? null, meta, expired: false };
  return storageEvent({ channel, key }, originOf(operation), values);
}

function expired(row: StorageRow): OutcomeEvent {
  const { data, expiresMs, meta, origin } = row;
  return storageEvent(row, JSON.parse(origin) as Origin, {
    data: undefined,
    previous: data,
    expiresMs,
    meta,
    expired: true,
  });
}

interface StorageEventValues {
  /** JSON text; absent = none. */
  readonly data: string | undefined;
  readonly previous: string | undefined;
  readonly expiresMs: number | null;
  readonly meta: string;
  readonly expired: boolean;
}

/** `hotsock.channelStorageUpdated` (pubsub-events §3.6). */
function storageEvent(
  { channel, key }: { readonly channel: string; readonly key: string },
  origin: Origin,
  { data, previous, expiresMs, meta, expired: isExpired }: StorageEventValues,
): OutcomeEvent {
  const expiresAt = expiresMs === null ? 'null' : `"${utcSeconds(expiresMs)}"`;
  const members = [
    `"channel":${JSON.stringify(channel)}`,
    `"key":${JSON.stringify(key)}`,
    `"data":${data ?? 'null'}`,
    `"dataPrevious":${previous ?? 'null'}`,
    ...(isExpired ? ['"expired":true'] : []),
    `"expiresAt":${expiresAt}`,
    `"meta":${meta}`,
  ];
  return {
    name: 'channelStorageUpdated',
    channel,
    metadata: { key, ...originOf(origin) },
    dataJson: `{${members.join(',')}}`,
  };
}
