/** Reads one ingest stream in this process. */
export interface FollowingReader {
  /** What the stream stores reaches it within moments. */
  readonly isKeepingUp: boolean;
}

/**
 * A message that this process reads from a stream is stored there, which is all that a confirmation says. So where the owner
 * of a partition and the publisher are one process, as in the all-in-one, the stream is not asked for one: that is a meeting
 * with NATS less for each message. When it is not read soon, its publisher asks.
 */
export class ReadBack {
  private readonly readers = new Map<string, FollowingReader>();
  private readonly awaited = new Map<string, (place: number) => void>();

  /** @param subject what it reads; it takes the place of an earlier one */
  follow(subject: string, reader: FollowingReader): void {
    this.readers.set(subject, reader);
  }

  /** Whether what is stored with this subject is read here at once. */
  isFollowed(subject: string): boolean {
    return this.readers.get(subject)?.isKeepingUp === true;
  }

  /** @param onRead gets the sequence in the stream; called for every time that the message is read, until `forget` */
  await(messageId: string, onRead: (place: number) => void): void {
    this.awaited.set(messageId, onRead);
  }

  forget(messageId: string): void {
    this.awaited.delete(messageId);
  }

  /** A reader has got a message. */
  read(messageId: string | undefined, place: number): void {
    if (messageId !== undefined) this.awaited.get(messageId)?.(place);
  }
}
