import type { BackendEvent } from '@hearth/wire';

/**
 * Decides which of the events that wait may be sent together although any of them may be lost while the others are stored:
 * those whose order among each other does not matter (pubsub-events §4.4). They are asked about in their order; one that is
 * not admitted waits for the next time, and those whose order with it matters wait behind it.
 */
export class EventOrder {
  private readonly channels = new Set<string>();
  /** A connection has begun or changed: only that of others may go along. */
  private hasConnection = false;

  admit({ name, channel }: Pick<BackendEvent, 'name' | 'channel'>): boolean {
    // Each tells when it was.
    if (name === 'audit') return true;
    if (channel !== undefined) {
      const isFirst = !this.channels.has(channel);
      this.channels.add(channel);
      // It may be of a connection that has just begun.
      return isFirst && !this.hasConnection;
    }
    // Nothing of a connection comes before this.
    if (name === 'connected') return (this.hasConnection = true);
    const mayGo = !this.hasConnection;
    if (name !== 'disconnected') this.hasConnection = true;
    return mayGo;
  }
}
