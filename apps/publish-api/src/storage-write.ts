import { metaJson, PublishRequest } from '@hearth/protocol';
import { OperationOrigin, StorageOperation } from '@hearth/wire';

/** Servers write in nobody's name (publish-api §8). */
const SERVER_META = metaJson({ uid: null, umdJson: 'null' });

/**
 * A server's write of a storage entry. `eagerIdGeneration` has no meaning here (publish-api §6).
 *
 * @param key the request's
 */
export function storageWrite(
  { channel, store, emitPubSubEvent, deduplicationId }: PublishRequest,
  key: string,
  origin: OperationOrigin,
): StorageOperation {
  return { kind: 'storage', ...origin, channel, key, store, emitPubSubEvent, meta: SERVER_META, deduplicationId };
}
