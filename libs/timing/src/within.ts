import { OutageError } from '@hearth/protocol';
import { deadline, type CancelDeadline } from './deadline';

/** What was waited for did not come in time; it may still come, and is of no interest to anybody then. */
export class TimeoutError extends OutageError {
  override readonly name = 'TimeoutError';
}

/**
 * Gives what the promise gives, if that comes in time: also when it has, and a process that was delayed only learns of it
 * later (`deadline`).
 *
 * @param timeoutMs at least 0
 * @throws TimeoutError
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let cancel: CancelDeadline | undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = deadline(timeoutMs, () => reject(new TimeoutError(`no answer within ${Math.round(timeoutMs)} ms`)));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel?.();
  }
}
