export { deadline, type CancelDeadline } from './deadline';
export { every, type Repeated } from './every';
export { untilAborted } from './until-aborted';
export { TimeoutError, within } from './within';
