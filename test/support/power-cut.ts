import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestNats } from './nats';

/**
 * Notes some streams as they are on disk; nats-server is restarted for that.
 *
 * @param names of the streams; all, if none is given
 * @returns puts these streams back there, as a power cut would that took what came since
 */
export async function keepStreams(nats: TestNats, ...names: readonly string[]): Promise<() => Promise<void>> {
  const stored = join(nats.storeDir, 'jetstream', '$G', 'streams');
  const kept = join(nats.storeDir, 'kept');
  // One that has ended has everything on disk.
  await nats.restart();
  await nats.kill();
  await mkdir(kept, { recursive: true });
  const all = names.length > 0 ? names : await readdir(stored);
  for (const name of all) await cp(join(stored, name), join(kept, name), { recursive: true });
  await nats.restart();
  return async () => {
    await nats.kill();
    for (const name of all) {
      await rm(join(stored, name), { recursive: true });
      await cp(join(kept, name), join(stored, name), { recursive: true });
    }
    await nats.restart();
  };
}
