import { every, type Repeated } from '@hearth/timing';
import { statfs } from 'node:fs/promises';

const LOOK_EVERY_MS = 1_000;
const MIB = 1_048_576;
/** Less than this is none: files grow by blocks. */
const FULL_BYTES = MIB;
const ROOM_BYTES = 4 * MIB;

/** Tells when the disk of a folder is full, and when there is room again. */
export function watchDisk(folder: string, onFull: () => void, onRoom: () => void): Repeated {
  let isFull = false;
  return every(
    LOOK_EVERY_MS,
    async () => {
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      if (!isFull && free < FULL_BYTES) {
        isFull = true;
        onFull();
      } else if (isFull && free >= ROOM_BYTES) {
        isFull = false;
        onRoom();
      }
    },
    // Whoever works there has the same trouble, and says so.
    () => undefined,
  );
}
