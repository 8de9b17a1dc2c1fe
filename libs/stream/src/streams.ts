import { installationNow } from '@hearth/timing';
import { DELIVER_STREAM, DELIVER_SUBJECTS, ingestStream, ingestSubject } from '@hearth/wire';
import type { ConnectionLog, StreamConnection } from './connection';
import { createdOf, describeCreation } from './stream-creation';
import { DiscardPolicy, JetStreamManager, nanos, NatsError, RetentionPolicy, StorageType, StreamConfig } from 'nats';
import { setTimeout as delay } from 'node:timers/promises';

export interface StreamSettings {
  readonly partitions: number;
  /** Bytes of accepted, not yet sequenced messages over all partitions; more are refused. */
  readonly ingestMaxBytes: number;
  /** Bytes of recent messages that gateways can catch up from. */
  readonly deliverMaxBytes: number;
  readonly deliverMaxAgeSeconds: number;
  readonly streamReplicas: number;
}

export interface EventStreamSettings {
  readonly eventsStream: string;
  readonly eventsSubjectPrefix: string;
  readonly eventsMaxAgeSeconds: number;
  /** -1 = unlimited */
  readonly eventsMaxBytes: number;
  readonly eventsReplicas: number;
}

/**
 * How long the server remembers a publish by its `Nats-Msg-Id`; every remembered id costs it about 230 bytes. What has a
 * deadline is repeated within it only (`LONGEST_DEADLINE_MS`). What has none may be stored twice after a longer outage, so
 * it is known again where it arrives: who has left is not there, reports of subscriptions are numbered, gateways drop a
 * position they had.
 */
const REPEAT_WINDOW_MS = 15_000;

/** For a publish that must not be stored twice: past it, the server may have forgotten its id. */
export const LONGEST_DEADLINE_MS = 10_000;

/** What makes a stream waits so long for the answer before it looks itself. */
const LOOK_AGAIN_MS = 250;

/** JetStream's error codes, as questions. */
const isMissing = (error: unknown): boolean =>
  error instanceof NatsError && (error.api_error?.err_code === 10059 || error.api_error?.code === 404);
const alreadyExists = (error: unknown): boolean => error instanceof NatsError && error.api_error?.err_code === 10058;

type NamedConfig = Partial<StreamConfig> & { readonly name: string };

/** Makes those that are missing. @returns their names, when all of them exist and answer */
async function ensure(manager: JetStreamManager, configs: readonly NamedConfig[]): Promise<string[]> {
  const exist = await Promise.all(configs.map(({ name }) => exists(manager, name)));
  const missing = configs.filter((_, index) => exist[index] !== true);
  for (const config of missing) await make(manager, config);
  return missing.map(({ name }) => name);
}

/**
 * Makes a stream, or finds that another process has made it in the same moment: then servers of a cluster leave one of the two
 * without an answer, so that it is looked for as well.
 */
async function make(manager: JetStreamManager, config: NamedConfig): Promise<void> {
  const description = describeCreation(new Date(installationNow()).toISOString());
  const made = manager.streams.add({ ...config, description }).then(
    () => true,
    (error: unknown) => {
      if (!alreadyExists(error)) throw error;
      return true;
    },
  );
  const look = async (): Promise<boolean> => {
    await delay(LOOK_AGAIN_MS);
    return exists(manager, config.name);
  };
  while (!(await Promise.race([made, look()])));
}

async function exists(manager: JetStreamManager, name: string): Promise<boolean> {
  try {
    await manager.streams.info(name);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * One stream per partition: its sequence is the partition's order, and what has been sequenced can be dropped from its
 * head in one step. A full stream refuses new messages; it never drops accepted ones.
 */
function ingestConfig(partition: number, settings: StreamSettings): NamedConfig {
  return {
    name: ingestStream(partition),
    subjects: [ingestSubject(partition)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    ...ingestTuning(settings),
    duplicate_window: nanos(REPEAT_WINDOW_MS),
  };
}

export async function ensureIngestStream(
  manager: JetStreamManager,
  partition: number,
  settings: StreamSettings,
): Promise<void> {
  await ensure(manager, [ingestConfig(partition, settings)]);
}

function ingestTuning({ ingestMaxBytes, partitions, streamReplicas }: StreamSettings) {
  return { max_bytes: Math.max(1_048_576, Math.floor(ingestMaxBytes / partitions)), num_replicas: streamReplicas };
}

/**
 * The last minutes of all channels, for gateways that missed something. On disk, so that a restart of the server
 * does not open a gap under the gateways.
 */
function deliverConfig(settings: StreamSettings): NamedConfig {
  return {
    name: DELIVER_STREAM,
    subjects: [DELIVER_SUBJECTS],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    ...deliverTuning(settings),
    allow_direct: true,
  };
}

function deliverTuning({ deliverMaxAgeSeconds, deliverMaxBytes, streamReplicas }: StreamSettings) {
  return {
    max_age: nanos(deliverMaxAgeSeconds * 1_000),
    max_bytes: deliverMaxBytes,
    duplicate_window: nanos(Math.min(REPEAT_WINDOW_MS, deliverMaxAgeSeconds * 1_000)),
    num_replicas: streamReplicas,
  };
}

/**
 * All streams of an installation but the backend events; safe to call from every node at any time.
 *
 * @returns the names of those that were missing and have been made
 */
export async function ensureStreams(connection: StreamConnection, settings: StreamSettings): Promise<string[]> {
  const partitions = Array.from({ length: settings.partitions }, (_, partition) => ingestConfig(partition, settings));
  return ensure(await connection.manager(), [deliverConfig(settings), ...partitions]);
}

/**
 * Brings streams that exist to what the settings say. The ingest streams are never made smaller, because what they hold
 * was accepted, and no stream loses a copy.
 */
async function updateStreams(manager: JetStreamManager, settings: StreamSettings): Promise<void> {
  await update(manager, DELIVER_STREAM, deliverTuning(settings), ['num_replicas']);
  for (let partition = 0; partition < settings.partitions; partition++) {
    await update(manager, ingestStream(partition), ingestTuning(settings), ['max_bytes', 'num_replicas']);
  }
}

/** As `ensureStreams`, for the start of those who work on the streams: existing ones come to what is set by now. */
export async function prepareStreams(
  connection: StreamConnection,
  settings: StreamSettings,
  log: ConnectionLog,
): Promise<void> {
  await ensureStreams(connection, settings);
  try {
    await updateStreams(await connection.manager(), settings);
  } catch (error) {
    log.warn(`streams could not be brought to what is set, and stay as they are: ${(error as Error).message}`);
  }
}

/** @param growing what is only ever raised */
async function update(
  manager: JetStreamManager,
  name: string,
  tuning: Readonly<Record<string, number>>,
  growing: readonly string[],
): Promise<void> {
  const info = await manager.streams.info(name);
  const config = info.config as unknown as Readonly<Record<string, number>>;
  const changes: Partial<StreamConfig> = Object.fromEntries(
    Object.entries(tuning).filter(([key, value]) => {
      const now = config[key] ?? 0;
      return growing.includes(key) ? value > now : value !== now;
    }),
  );
  // One that was made before streams had it keeps the time that it has.
  if (!info.config.description) changes.description = describeCreation(createdOf(info));
  if (Object.keys(changes).length > 0) await manager.streams.update(name, changes);
}

/** The stream of backend events (pubsub-events §4.1); one that exists is used as it is. */
export async function ensureEventStream(manager: JetStreamManager, settings: EventStreamSettings): Promise<void> {
  const config = {
    name: settings.eventsStream,
    subjects: [`${settings.eventsSubjectPrefix}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(settings.eventsMaxAgeSeconds * 1_000),
    max_bytes: settings.eventsMaxBytes,
    max_msg_size: 1_048_576,
    duplicate_window: nanos(120_000),
    num_replicas: settings.eventsReplicas,
  };
  await ensure(manager, [config]);
}
