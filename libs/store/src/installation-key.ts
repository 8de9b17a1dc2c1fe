import type { Db } from './db';

/**
 * A key that the installation makes for itself: whoever asks first makes it, everybody gets the same.
 *
 * @param make called for a candidate, which another process may be quicker with
 */
export async function installationKey(db: Db, name: string, make: () => Buffer): Promise<Buffer> {
  await db
    .insertInto('installation_key')
    .values({ name, key: make() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await db.selectFrom('installation_key').select('key').where('name', '=', name).executeTakeFirstOrThrow()).key;
}
