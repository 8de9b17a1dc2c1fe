import type { Kysely } from 'kysely';
import type { Tables } from './tables';

/** The database, or a transaction on it: the first argument of every query function of this library. */
export type Db = Kysely<Tables>;
