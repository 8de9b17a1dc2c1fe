export { every, type Repeated } from './every';
export { TimeoutError, within } from './within';
