/** Ends the wait; harmless when the time is up. */
export type CancelDeadline = () => void;

/**
 * Calls back when the time is up and what has arrived by then has been read. After a process was delayed, by itself or by
 * its machine, its timers are the first to run: what they judge may lie in a socket.
 *
 * @param ms at least 0
 */
export function deadline(ms: number, onTimeUp: () => void): CancelDeadline {
  let lastTurn: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    // Sockets are read between timers and this.
    lastTurn = setImmediate(onTimeUp);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(lastTurn);
  };
}
