/** Sizes and ranges of the protocol. Bytes are UTF-8 bytes, characters are Unicode code points. */

/** `data` of a message, compact JSON (publish-api §3). */
export const MAX_DATA_BYTES = 32_768;
/** `umd` of a token, compact JSON (tokens-and-claims §3). */
export const MAX_UMD_BYTES = 1_024;
export const MAX_UID_CHARACTERS = 128;
export const MAX_CHANNEL_CHARACTERS = 256;
export const MAX_EVENT_CHARACTERS = 128;
export const MAX_DEDUPLICATION_ID_CHARACTERS = 128;
export const MAX_STORAGE_KEY_CHARACTERS = 128;
/** A client's `ref` is accepted once within so long (client-library §6). */
export const REF_WINDOW_SECONDS = 300;
/** About 100 years in seconds, the longest `store` (publish-api §3). */
export const MAX_STORE_SECONDS = 3_155_695_200;
/** Documents in one `POST /publish/batch`. */
export const MAX_BATCH_DOCUMENTS = 100;
/** Body of `POST /publish/batch`. */
export const MAX_BATCH_BYTES = 4_194_304;
/**
 * Deepest nesting of `data`. V8 parses any depth, but `JSON.stringify`, Postgres and the parsers of other languages
 * give up somewhere (Ruby at 100, Python at 1,000): what no client could read is refused at the door.
 */
export const MAX_JSON_DEPTH = 512;
/** One page of history: messages, and bytes of serialised messages (client-http-api §3.2). */
export const HISTORY_PAGE_MESSAGES = 100;
export const HISTORY_PAGE_BYTES = 1_048_576;
/** One page of storage entries: entries, and bytes of serialised entries (client-http-api §6). */
export const STORAGE_PAGE_ENTRIES = 100;
export const STORAGE_PAGE_BYTES = 1_048_576;
/** Keys that one request for storage entries may name. */
export const MAX_STORAGE_KEYS = 100;
