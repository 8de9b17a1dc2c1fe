/** A job that is done again and again. */
export interface Repeated {
  /** Begins no run any more. Resolves when the one under way has ended. */
  stop(): Promise<void>;
}

/**
 * Does a job every so often, for the first time after one interval. A run that takes longer than the interval leaves out
 * those that would have begun meanwhile: nothing overlaps, and nothing queues up while a server hangs. What has arrived
 * until then has been read when it begins, so a job that looks for who is late finds nobody who is not. It does not keep the
 * process alive.
 *
 * @param job may be asynchronous
 * @param onFailure what a run threw. Without it that is a mistake of ours, and ends the process like any other
 */
export function every(ms: number, job: () => unknown, onFailure?: (error: unknown) => void): Repeated {
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    try {
      await job();
    } catch (error) {
      if (onFailure === undefined) throw error;
      onFailure(error);
    }
  };
  let turn: NodeJS.Immediate | undefined;
  const begin = (): void => {
    turn = undefined;
    running ??= run().finally(() => (running = undefined));
  };
  const timer = setInterval(() => {
    // Sockets are read between timers and this.
    turn ??= setImmediate(begin);
  }, ms);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      clearImmediate(turn);
      await running;
    },
  };
}
