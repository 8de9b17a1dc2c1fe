export { freePort } from '../../libs/embedded/src/free-port';
