/** Until it is told otherwise: what the clock of this machine showed at the start, and what has passed since. */
let baseMs = Date.now() - performance.now();
let isKnown = false;

/**
 * This instant for everybody in the installation, ms since 1970. Not the clock of this machine, which may be wrong and may be
 * set: the database's, as far as it is known, carried on by a clock that nobody sets. What others compare with their own, or
 * with the ids of messages, goes by it; durations go by `performance.now()`.
 */
export function installationNow(): number {
  return Math.floor(baseMs + performance.now());
}

/** @param offsetMs what the installation's clock shows beyond `performance.now()` of this process */
export function setInstallationClock(offsetMs: number): void {
  baseMs = offsetMs;
  isKnown = true;
}

/** The same for whoever must not be told a wrong one; `undefined` for as long as only the clock of this machine is known. */
export function knownInstallationNow(): number | undefined {
  return isKnown ? installationNow() : undefined;
}
