import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { identityOf, type Account } from './server-process';

const run = promisify(execFile);

/**
 * Postgres refuses to run as root, so root runs it as someone else: as the owner of the cluster when there is one
 * already (whoever made it), else as `postgres`, else as `nobody`.
 *
 * @returns `undefined` when we are not root and Postgres simply runs as ourselves
 */
export async function accountForPostgres(cluster: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(cluster).catch(() => undefined);
  if (owner !== undefined && owner.uid !== 0) return { name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const account = await lookUp(name);
    if (account !== undefined) return account;
  }
  throw new Error(
    'Postgres does not run as root, and this machine has neither a user "postgres" nor "nobody" to run it as. ' +
      'Start Hearth as another user, add one of the two, or set HEARTH_DATABASE_URL.',
  );
}

/** Whether `account` can enter and list the folder: asked by trying, which takes every parent and every ACL into account. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', ...identityOf(account) });
    return true;
  } catch {
    return false;
  }
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => (await run('id', [flag, name])).stdout.trim()),
    );
    return { name: `user ${name}`, uid: Number(uid), gid: Number(gid) };
  } catch {
    return undefined;
  }
}
