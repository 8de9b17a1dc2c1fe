import { join } from 'node:path';
import { Peer, Setting } from './peer';

/** Settings of the servers in this folder. */
function doItYourself(setting: Setting): Readonly<Record<string, string>> {
  return { PORT: String(setting.port), API_KEY: setting.apiKey, SIGNING_SECRET: setting.signingSecret };
}

const home = (setting: Setting): string => `http://127.0.0.1:${setting.port}/`;

/** Hearth as `npm start` runs it: all services in one process, NATS and Postgres started by itself. */
const hearth: Peer = {
  name: 'hearth',
  title: 'Hearth',
  dialect: 'hearth',
  script: join(__dirname, '../../apps/hearth/src/main.js'),
  stores: true,
  environment: (setting) => ({
    HEARTH_HOST: '127.0.0.1',
    HEARTH_PORT: String(setting.port),
    HEARTH_ADMIN_PORT: String(setting.adminPort),
    HEARTH_DATA_DIR: setting.dataDir,
    HEARTH_HTTP_API_KEY_1: setting.apiKey,
    HEARTH_AWS_ACCESS_KEYS: `${setting.accessKey.id}:${setting.accessKey.secret}`,
    HEARTH_SIGNING_KEY_1_METHOD: 'HS256',
    HEARTH_SIGNING_KEY_1_ENCODED: setting.signingSecret,
  }),
  readyUrl: (setting) => `http://127.0.0.1:${setting.adminPort}/readyz`,
};

const plainWs: Peer = {
  name: 'plain-ws',
  title: 'plain ws',
  dialect: 'plain-ws',
  script: join(__dirname, 'plain-ws.js'),
  stores: false,
  environment: doItYourself,
  readyUrl: home,
};

const socketIo: Peer = {
  name: 'socket-io',
  title: 'Socket.IO',
  dialect: 'socket-io',
  script: join(__dirname, 'socket-io.js'),
  stores: false,
  environment: doItYourself,
  readyUrl: home,
};

/** What storing costs by itself (`by-hand.ts`); to be asked for, in `many-channels` and `fan-out`. */
const byHand = (name: 'stored-by-hand' | 'read-back-by-hand', READ_BACK: string): Peer => ({
  ...plainWs,
  name,
  title: name === 'stored-by-hand' ? 'stored, by hand' : 'read back, by hand',
  script: join(__dirname, 'by-hand.js'),
  environment: (setting) => ({
    PORT: String(setting.port),
    NATS_PORT: String(setting.adminPort),
    DATA_DIR: setting.dataDir,
    READ_BACK,
  }),
});

/** Those that run unless others are asked for. */
export const USUAL_PEERS: readonly Peer[] = [hearth, plainWs, socketIo];
export const PEERS: readonly Peer[] = [
  ...USUAL_PEERS,
  byHand('stored-by-hand', ''),
  byHand('read-back-by-hand', 'yes'),
];
