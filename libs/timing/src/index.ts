export { deadline, type CancelDeadline } from './deadline';
export { ClockOffset } from './clock-offset';
export { installationNow, setInstallationClock } from './installation-now';
export { every, type Repeated } from './every';
export { untilAborted } from './until-aborted';
export { TimeoutError, within } from './within';
