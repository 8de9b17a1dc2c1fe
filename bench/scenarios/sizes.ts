import { Sizes } from './scenario';

/** The sizes the floors are stated for. */
export const FULL: Sizes = {
  warmUpMs: 2000,
  measureMs: 5000,
  fanOutSubscribers: 1000,
  channels: 500,
  channelSubscribers: 5000,
  messagesPerSecond: 1000,
  publishConnections: 64,
  idleConnections: 10_000,
  settleMs: 2000,
  presenceMembers: 1000,
  schedules: 10_000,
};

/** Shows in under a minute that everything works; its numbers are those of cold code. */
export const QUICK: Sizes = {
  warmUpMs: 300,
  measureMs: 700,
  fanOutSubscribers: 500,
  channels: 100,
  channelSubscribers: 500,
  messagesPerSecond: 500,
  publishConnections: 64,
  idleConnections: 500,
  settleMs: 500,
  presenceMembers: 100,
  schedules: 1000,
};

/** Files a server or the generator has open besides its sockets. */
const OTHER_FILES = 500;

/** `sizes`, with no more connections than one process may have files open. */
export function withinFileLimit(sizes: Sizes, openFiles: number): Sizes {
  const most = Math.max(100, openFiles - OTHER_FILES);
  return {
    ...sizes,
    fanOutSubscribers: Math.min(sizes.fanOutSubscribers, most),
    channelSubscribers: Math.min(sizes.channelSubscribers, most),
    idleConnections: Math.min(sizes.idleConnections, most),
    presenceMembers: Math.min(sizes.presenceMembers, most),
  };
}
