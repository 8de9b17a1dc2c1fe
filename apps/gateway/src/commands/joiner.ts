import type { Subscriptions } from '../connection/connection-subscriptions';
import type { Requester } from '../connection/permissions';
import type { ClientSocket } from '../frames/client-socket';
import type { Asker } from './outage-wait';

/** A connection that may subscribe. */
export interface Joiner extends Requester, Asker {
  readonly socket: ClientSocket;
  readonly subscriptions: Subscriptions;
  /** Until what it missed of the channel that it joined last has been written. */
  replayed: Promise<void> | undefined;
  /** What it is still being sent of what it missed: one replay at a time, so that no client has more of them waiting. */
  replays: Promise<void> | undefined;
  /** When it ends at the latest, ms since 1970. */
  readonly expiresAtMs: number;
  /** Of the channels that it has entered or tried to enter. */
  partitions: Set<number> | undefined;
  /** Called when it does not read what it is sent. */
  cutOff(): void;
  /** Messages that it was to get cannot be had any more. */
  missed(): void;
  answer(frame: string, answerId: number | undefined): void;
  /** @param channel as the client sent it */
  refuse(error: unknown, channel: string | undefined, answerId: number | undefined): void;
}
