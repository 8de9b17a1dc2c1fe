import { OutageError } from '@hearth/protocol';

/** What was waited for did not come in time; it may still come, and is of no interest to anybody then. */
export class TimeoutError extends OutageError {
  override readonly name = 'TimeoutError';
}

/**
 * Gives what the promise gives, if that comes in time.
 *
 * @param timeoutMs at least 0
 * @throws TimeoutError
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(`no answer within ${Math.round(timeoutMs)} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
