import type { Introduction, Trigger } from './ingest-event';

/**
 * What else than messages travels on the ingest streams: changes of what a channel is. They take their place in the
 * partition's order like messages, and the sequencer applies them in that order, so every observer sees one history.
 *
 * `umdJson` and `meta` are JSON text. Times are ms since 1970.
 */

/** How a request came; told in backend events (pubsub-events §3.5 to §3.7). */
export interface OperationOrigin {
  readonly trigger: Trigger;
  /** UUID. */
  readonly requestId: string;
  /** Client requests only. */
  readonly connectionId?: string;
  readonly sourceIp?: string;
  readonly userAgent?: string;
}

/** A connection enters a presence channel (channels-presence-storage §3). */
export interface JoinOperation {
  readonly kind: 'join';
  readonly channel: string;
  readonly connectionId: string;
  readonly gatewayId: number;
  /** Not empty. */
  readonly uid: string;
  readonly umdJson: string;
  /** Claim `omitFromSubCount`: does not count. */
  readonly uncounted?: boolean;
  /** Which of the connection's attempts to enter this is; its gateway waits for the record of the latest only. */
  readonly attempt?: number;
}

/** A connection has left a presence channel. One that is not there changes nothing. */
export interface LeaveOperation {
  readonly kind: 'leave';
  readonly channel: string;
  readonly connectionId: string;
}

/** The metadata of a presence channel's subscription changes (§7). One that is not there changes nothing. */
export interface UmdOperation {
  readonly kind: 'umd';
  readonly channel: string;
  readonly connectionId: string;
  readonly umdJson: string;
}

/** A subscription to a standard channel that began or ended on a gateway, or several of them in one. */
export interface SubscriptionChange {
  readonly channel: string;
  /**
   * Counted subscriptions of the channel on this gateway after the change; absolute, so that a repeat does no harm.
   * Absent: the count is what it was (claim `omitFromSubCount`).
   */
  readonly count?: number;
  /** What events tell; absent where only the count is known, or nobody wants events. */
  readonly subscription?: {
    readonly connectionId: string;
    readonly uid: string | null;
    readonly umdJson: string;
    /** It ended. */
    readonly ended?: boolean;
    /** Of one that ended: its beginning was told in this way, so it has a row unless its end has been told too. */
    readonly announced?: boolean;
  };
}

/** Changes of subscriptions to standard channels of one partition, on one gateway, in their order (§2, §4). */
export interface SubscriptionsOperation {
  readonly kind: 'subscriptions';
  readonly partition: number;
  readonly gatewayId: number;
  /** Whether backend events shall come of it. Without them a count is written without being read. */
  readonly events?: boolean;
  /**
   * Which report of the gateway this is: numbers rise within a partition and a run, the life of the gateway's process. One
   * that comes again is not applied again. Absent: from an older gateway, or told in the name of a dead one.
   */
  readonly report?: { readonly run: string; readonly number: number };
  /** The gateway is dead: what its last report was need not be known any more. */
  readonly buried?: boolean;
  readonly changes: readonly SubscriptionChange[];
}

/** Sets or clears a storage entry; the value is the data beside it, JSON text (§5). */
export interface StorageOperation extends OperationOrigin {
  readonly kind: 'storage';
  readonly channel: string;
  readonly key: string;
  /** Seconds; -1 = for ever. */
  readonly store: number;
  readonly emitPubSubEvent: boolean;
  /** JSON text `{"uid","umd"}` of the writer. */
  readonly meta: string;
  readonly deduplicationId?: string;
  /** As of a message. */
  readonly ref?: string;
}

/** A storage entry is past its time; it is removed if it still is the one with this end. */
export interface StorageExpiryOperation {
  readonly kind: 'storageExpiry';
  readonly channel: string;
  readonly key: string;
  readonly expiresMs: number;
}

/** Adds or removes a reaction (§6.2). That the message exists, and permissions, were checked at the door. */
export interface ReactionOperation extends OperationOrigin {
  readonly kind: 'reaction';
  readonly channel: string;
  readonly messageId: string;
  readonly reaction: string;
  readonly action: 'add' | 'remove';
  /** `null`: the one anonymous user of servers. */
  readonly uid: string | null;
  readonly umdJson: string;
  /** The reacting connection gets its copy too. */
  readonly echo?: boolean;
  readonly emitPubSubEvent: boolean;
  /** End of the message; absent = never. */
  readonly expiresMs?: number;
  readonly deduplicationId?: string;
  /** As of a message. */
  readonly ref?: string;
}

/** Parks a message or storage write until its time; what is parked is the data: a whole ingest payload (publish-api §7). */
export interface ScheduleOperation {
  readonly kind: 'schedule';
  readonly channel: string;
  /** ULID whose tail holds the partition (`newScheduleId`). */
  readonly scheduleId: string;
  readonly dueMs: number;
  /** That of what is parked, which has none any more. */
  readonly ref?: string;
}

/** The time of a schedule has come. One that is not there any more changes nothing. */
export interface FireOperation {
  readonly kind: 'fire';
  readonly partition: number;
  readonly scheduleId: string;
}

/** Takes a schedule back. */
export interface CancelOperation {
  readonly kind: 'cancel';
  readonly partition: number;
  readonly scheduleId: string;
}

/**
 * A connection has begun, changed or ended (pubsub-events §3.1). The owner of its gateway's home partition keeps a row of
 * it while it lasts, and tells of it: so whoever buries a gateway finds the connections whose end has not been told.
 */
export interface ConnectionOperation {
  readonly kind: 'connection';
  /** Of its gateway (`homePartition`). */
  readonly partition: number;
  readonly gatewayId: number;
  readonly connectionId: string;
  /** What comes of it. `connected` is what the operation introduces; of one without a row there is nothing else to tell. */
  readonly event: 'connected' | 'connectionUpdated' | 'disconnected';
  /** JSON text of the event's data; absent for `connected`. */
  readonly dataJson?: string;
  /** It has no row, because it began when nobody wanted events. */
  readonly unannounced?: boolean;
  /** Why somebody else than its gateway says that it has ended. */
  readonly reason?: string;
}

/** Changes nothing: its answer says that everything before it can be read from Postgres. */
export type BarrierOperation = ({ readonly partition: number } | { readonly channel: string }) & {
  readonly kind: 'barrier';
  /** It says, too, that the stream of events holds every event of what is before it. */
  readonly events?: boolean;
  /** With `events`: it says that only, and does not wait for Postgres. */
  readonly unsaved?: boolean;
};

type Operation =
  | JoinOperation
  | LeaveOperation
  | UmdOperation
  | SubscriptionsOperation
  | StorageOperation
  | StorageExpiryOperation
  | ReactionOperation
  | ScheduleOperation
  | FireOperation
  | CancelOperation
  | ConnectionOperation
  | BarrierOperation;

export type IngestOperation = Operation & {
  /** Subject to answer to, once its effect can be read from Postgres. */
  readonly acknowledgeTo?: string;
  readonly introduces?: readonly Introduction[];
};

export type OperationKind = IngestOperation['kind'];
export type OperationOf<Kind extends OperationKind> = Extract<IngestOperation, { kind: Kind }>;

/** Every kind, for whoever reads what an older or newer node wrote. */
const KINDS: Readonly<Record<OperationKind, true>> = {
  join: true,
  leave: true,
  umd: true,
  subscriptions: true,
  storage: true,
  storageExpiry: true,
  reaction: true,
  schedule: true,
  fire: true,
  cancel: true,
  connection: true,
  barrier: true,
};

/** @param data JSON text, for kinds that carry some */
export function encodeIngestOperation(operation: IngestOperation, data = ''): Buffer {
  return Buffer.from(`${JSON.stringify(operation)}\n${data}`, 'utf8');
}

/** What the first line of an ingest payload says; `undefined` when it is not an operation of ours. */
export function operationOf(line: object): IngestOperation | undefined {
  const { kind } = line as { kind?: unknown };
  return typeof kind === 'string' && Object.hasOwn(KINDS, kind) ? (line as IngestOperation) : undefined;
}

/** What became of something that was sent with a `ref`. */
export interface Placed {
  /** Of the message, or of the place of an operation; absent for what is due later. */
  readonly id?: string;
  /** Where it stands (`placeNumber`); absent for what is due later. */
  readonly position?: string;
  /** Of what is due later. */
  readonly scheduleId?: string;
  /** It changed nothing: this is about the one that was accepted before. */
  readonly duplicate?: true;
}

/** Answer to what was sent with `acknowledgeTo`. */
export type OperationReply =
  | { readonly done: true; readonly placed?: Placed }
  | { readonly error: { readonly code: string; readonly message: string } };
