import { randomBytes } from 'node:crypto';
import type { HearthConfig } from '@hearth/config';
import type { Logger } from '@hearth/runtime';
import { Database, installationKey, untilReachable } from '@hearth/store';

const OWN_KEY = 'resume';
const KEY_BYTES = 32;

/** What resume tokens are signed and checked with: the keys that are set, or one that the installation makes itself. */
export class ResumeKeys {
  private constructor(
    private readonly config: Pick<HearthConfig, 'reloadable'>,
    private readonly own: Buffer,
  ) {}

  /** Reads the installation's own key, and makes it when nobody has. */
  static async open(
    { db }: Pick<Database, 'db'>,
    config: Pick<HearthConfig, 'reloadable'>,
    logger: Logger,
    interrupted: AbortSignal,
  ): Promise<ResumeKeys> {
    const ownKey = (): Promise<Buffer> => installationKey(db, OWN_KEY, () => randomBytes(KEY_BYTES));
    const onWaiting = (reason: string): void => logger.warn(`Waiting for Postgres: ${reason}`);
    return new ResumeKeys(config, await untilReachable(ownKey, onWaiting, interrupted));
  }

  /** The first signs, any may have signed. */
  get all(): readonly [Buffer, ...Buffer[]] {
    // Read at every use: keys change while the process runs.
    const [first, ...others] = this.config.reloadable.current.resumeKeys;
    return first === undefined ? [this.own] : [first, ...others];
  }
}
