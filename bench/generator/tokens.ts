import { createHmac } from 'node:crypto';

const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');

/** Far longer than any run. */
const LIFETIME_SECONDS = 3600;

/**
 * A connect token for one user that subscribes to one channel by itself and may read all of its history
 * (tokens-and-claims §4). Signed before the clock starts: signing is the application's work, not the server's.
 */
export function connectToken(secret: Buffer, uid: string, channel: string): string {
  const claims = {
    exp: Math.floor(Date.now() / 1000) + LIFETIME_SECONDS,
    scope: 'connect',
    uid,
    channels: { [channel]: { autoSubscribe: true, subscribe: true, historyStart: 0 } },
  };
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Name of channel number `channel`, on every server. */
export function channelName(channel: number): string {
  return `bench-${channel}`;
}
