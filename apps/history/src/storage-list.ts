import { ProtocolError, STORAGE_PAGE_BYTES, STORAGE_PAGE_ENTRIES, storageItem } from '@hearth/protocol';
import type { listStorageEntries, StorageEntry, StoragePageRequest } from '@hearth/store';

/** What a list asks of the gateway that knows the connection's rights. */
export interface StorageRights {
  /** Real name. */
  readonly channel: string;
  /** All keys that may be read, if they can be named. */
  readonly keys?: readonly string[];
  /** Those of some keys that may be read. */
  readonly readable: (keys: readonly string[]) => Promise<readonly string[]>;
}

export interface StorageListRequest {
  readonly keys?: readonly string[];
  readonly after?: string;
}

/** Reads a page of entries, in turn. */
export type ReadStorage = (page: StoragePageRequest) => ReturnType<typeof listStorageEntries>;

/** Entries whose rights are asked for together. */
const ENTRIES_AT_ONCE = 256;

/**
 * One page of the entries that a connection may read, sorted by key (client-http-api §6): at most 100 or 1 MiB, counted
 * after leaving out the others.
 *
 * @param deadlineMs a channel full of entries that it may not read is not searched longer than this (`performance.now()`)
 * @throws ProtocolError `SERVICE_UNAVAILABLE` past it
 */
export async function listReadableStorage(
  read: ReadStorage,
  rights: StorageRights,
  request: StorageListRequest,
  deadlineMs: number,
): Promise<StorageEntry[]> {
  const { channel } = rights;
  const named = await namedKeys(rights, request.keys);
  if (named !== undefined) {
    if (named.length === 0) return [];
    return [...(await read({ channel, keys: named, after: request.after })).entries];
  }
  const found: StorageEntry[] = [];
  for (let { after } = request; ;) {
    const { entries, hasMore } = await read({ channel, after, limit: ENTRIES_AT_ONCE });
    const readable = new Set(entries.length === 0 ? [] : await rights.readable(entries.map(({ key }) => key)));
    found.push(...entries.filter(({ key }) => readable.has(key)));
    if (!hasMore || isFull(found)) return firstPage(found);
    if (performance.now() > deadlineMs)
      throw new ProtocolError('SERVICE_UNAVAILABLE', 'the list took too long, try again');
    after = entries.at(-1)?.key;
  }
}

/** The keys to look for; `undefined` when all there are must be looked at. */
async function namedKeys(
  { keys: known, readable }: StorageRights,
  wanted: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  if (wanted === undefined) return known;
  if (known === undefined) return wanted.length === 0 ? [] : readable(wanted);
  const isKnown = new Set(known);
  return wanted.filter((key) => isKnown.has(key));
}

function isFull(entries: readonly StorageEntry[]): boolean {
  return entries.length >= STORAGE_PAGE_ENTRIES || firstPage(entries).length < entries.length;
}

function firstPage(entries: readonly StorageEntry[]): StorageEntry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, index) => {
    bytes += Buffer.byteLength(storageItem(entry)) + 1;
    return index > 0 && bytes > STORAGE_PAGE_BYTES;
  });
  return entries.slice(0, Math.min(end < 0 ? entries.length : end, STORAGE_PAGE_ENTRIES));
}
