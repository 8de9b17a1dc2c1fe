let [turns, isCounted] = [0, false];

/** Numbers the turns of the event loop in which somebody asks. */
export function loopTurn(): number {
  if (!isCounted) {
    isCounted = true;
    setImmediate(() => {
      turns++;
      isCounted = false;
    });
  }
  return turns;
}
