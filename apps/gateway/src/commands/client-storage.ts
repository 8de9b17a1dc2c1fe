import { randomUUID } from 'node:crypto';
import { StorageDirectives } from '@hearth/claims';
import { metaJson, ProtocolError, storageDataFrame } from '@hearth/protocol';
import { clientRef, type OperationOf, type Placed, ScheduleNaming } from '@hearth/wire';
import { IngestPublisher, schedule } from '@hearth/stream';
import { CONFIG } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import type { ClientOrigin } from './client-publish';
import { grantsIn, maySchedule, realChannel, Requester } from '../connection/permissions';
import { ChannelCaps } from '../limits/channel-caps';
import { StorageReader } from './storage-reader';

/** A write of a storage entry as a client asked for it; it has been parsed. */
export interface StorageWrite {
  /** May be an alias. */
  readonly channel: string;
  readonly key: string;
  /** JSON text. */
  readonly data: string;
  /** When it is due, ms since 1970; absent = now. */
  readonly dueMs?: number;
  /** Tells a repeat from another write (client-library §6). */
  readonly ref?: string;
}

export interface AcceptedWrite {
  /** Real name. */
  readonly channel: string;
  /** Only when it is scheduled. */
  readonly scheduleArn?: string;
  /** Settles as `IngestPublisher.publish` does, or `perform`. */
  readonly accepted: Promise<Placed | undefined>;
}

/** Channel storage for clients, over their sockets and over HTTP (channels-presence-storage §5). */
@Injectable()
export class ClientStorage {
  constructor(
    private readonly ingest: IngestPublisher,
    private readonly reader: StorageReader,
    private readonly caps: ChannelCaps,
    @Inject(CONFIG) private readonly naming: ScheduleNaming,
  ) {}

  /**
   * Whether a write may be handed on, as far as it is not for `set` to say: whether there is room for it.
   *
   * @returns `undefined` when it may, as is known already; else it may when the promise resolves
   * @throws ProtocolError as `set`; `LIMIT_REACHED`, by the promise
   */
  admit(requester: Requester, { channel: name, key, data, dueMs }: StorageWrite): Promise<void> | undefined {
    const channel = realChannel(name, requester);
    const directives = allowed('set', requester, channel, key);
    if (dueMs !== undefined) {
      refuseSchedule(directives, key, dueMs);
      return this.caps.schedule(channel);
    }
    // What clears an entry makes room.
    return data === 'null' ? undefined : this.caps.storageKey(channel, key);
  }

  /**
   * Hands a write on; the writes of a connection keep the order of the calls.
   *
   * @param untilReadable `accepted` also waits until everybody can read it, unless it is due later
   * @throws ProtocolError `STORAGE_PERMISSION_DENIED`, `SCHEDULE_PERMISSION_DENIED`
   */
  set(requester: Requester, write: StorageWrite, origin: ClientOrigin, untilReadable = false): AcceptedWrite {
    const { key, data, dueMs } = write;
    const channel = realChannel(write.channel, requester);
    const directives = allowed('set', requester, channel, key);
    const operation = storageOperation(requester, { ...write, channel }, directives, origin);
    if (dueMs === undefined) {
      const accepted = untilReadable
        ? this.ingest.perform(operation, data).then(() => undefined)
        : this.ingest.accept(operation, data);
      return { channel, accepted };
    }
    refuseSchedule(directives, key, dueMs);
    const { scheduleArn, accepted } = schedule(this.ingest, this.naming, operation, data, dueMs, requester.id);
    return { channel, scheduleArn, accepted };
  }

  /**
   * The frame that answers a read.
   *
   * @throws ProtocolError `STORAGE_PERMISSION_DENIED`, `SERVICE_UNAVAILABLE`
   */
  async get(requester: Requester, name: string, key: string): Promise<string> {
    const channel = realChannel(name, requester);
    allowed('get', requester, channel, key);
    const entry = await this.reader.entry(channel, key);
    return storageDataFrame(channel, key, entry && { dataJson: entry.data, metaJson: entry.meta });
  }

  /**
   * Lets an entry be read by somebody else: everything accepted before is in Postgres when this resolves.
   *
   * @returns the channel's real name
   * @throws as `get`
   */
  async prepareGet(requester: Requester, name: string, key: string): Promise<string> {
    const channel = realChannel(name, requester);
    allowed('get', requester, channel, key);
    await this.reader.settle(channel);
    return channel;
  }

  /**
   * As `prepareGet`, for a list.
   *
   * @returns `keys` when all that may be read can be named; otherwise `readable` decides
   */
  async prepareList(
    requester: Requester,
    name: string,
  ): Promise<{ readonly channel: string; readonly keys?: readonly string[] }> {
    const channel = realChannel(name, requester);
    const keys = grantsIn(channel, requester).readableStorageKeys(channel);
    if (keys?.length !== 0) await this.reader.settle(channel);
    return { channel, keys };
  }

  /**
   * Those of the keys that may be read.
   *
   * @param channel real name
   */
  readable(requester: Requester, channel: string, keys: readonly string[]): string[] {
    const grants = grantsIn(channel, requester);
    return keys.filter((key) => grants.storage(channel, key).get);
  }
}

function allowed(right: 'get' | 'set', requester: Requester, channel: string, key: string): StorageDirectives {
  const directives = grantsIn(channel, requester).storage(channel, key);
  if (directives[right]) return directives;
  throw new ProtocolError('STORAGE_PERMISSION_DENIED', `key: ${right} of ${key} in ${channel} is not granted`);
}

/** Rights are looked at now, not when it is due (§5.2). */
function refuseSchedule({ scheduleBefore }: StorageDirectives, key: string, dueMs: number): void {
  if (maySchedule(dueMs, scheduleBefore)) return;
  throw new ProtocolError('SCHEDULE_PERMISSION_DENIED', `scheduleExpression: it is not granted for ${key} so late`);
}

function storageOperation(
  requester: Requester,
  { channel, key, ref }: StorageWrite,
  { store, emitPubSubEvent }: StorageDirectives,
  origin: ClientOrigin,
): OperationOf<'storage'> {
  const identity = requester.subscription(channel)?.identity ?? requester.identity;
  return {
    kind: 'storage',
    channel,
    key,
    store,
    emitPubSubEvent,
    meta: metaJson(identity),
    ref: clientRef(ref, identity.uid, requester.id),
    requestId: randomUUID(),
    connectionId: requester.id,
    ...origin,
    introduces: emitPubSubEvent ? requester.introduction : undefined,
  };
}
