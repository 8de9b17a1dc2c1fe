/**
 * Gives what the promise gives, if that comes in time.
 *
 * @param who did not answer, for the error's message
 * @throws Error when it takes longer; what becomes of the promise then is of no interest to anybody
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>, who: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer from ${who} within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
