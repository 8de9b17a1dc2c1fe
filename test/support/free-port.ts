export { freePort } from '../../apps/hearth/src/embedded/free-port';
