export { LeastRecent } from './least-recent';
export { deadline, type CancelDeadline } from './deadline';
export { ClockOffset } from './clock-offset';
export { installationNow, knownInstallationNow, setInstallationClock } from './installation-now';
export { every, type Repeated } from './every';
export { untilAborted } from './until-aborted';
export { TimeoutError, within } from './within';
export { holdJson, JsonPieces, jsonTurn } from './json-turns';
export { TurnTime } from './turn-time';
