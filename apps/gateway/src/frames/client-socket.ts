import type { EndCode } from '@hearth/protocol';
import type { Backlog } from '@hearth/runtime';
import type { FrameBatch } from './frame-batch';

/** What arrives from a client; every call is made by the transport, in the order of arrival. */
export interface FrameReceiver {
  /**
   * @param text the message; `undefined` when it was not UTF-8
   * @param answerId names the frame in `ClientSocket.answer`; absent when the client wants no answer of its own
   */
  receive(text: string | undefined, answerId?: number): void;
  /**
   * Something was read, whether or not a message is complete with it; comes before the message.
   *
   * @param bytes of messages, as they were sent
   * @param frames of the protocol below that they came in
   */
  read(bytes: number, frames: number): void;
  /** So many pings or pongs of the protocol below have been read. */
  pinged(count: number): void;
  /** Of too much that waits for all clients together, most waits for this one: it must go. */
  holdsMost(): void;
  /** The socket is gone, whoever ended it; called once. */
  closed(): void;
}

export type Transport = 'websocket' | 'socket.io';

/**
 * One client's connection, whatever it speaks. Writing never throws and never waits: what the client does not read
 * piles up in `backlogBytes`, and whoever writes decides when that is too much. After `close` nothing more is written.
 */
export interface ClientSocket {
  readonly transport: Transport;
  /** False once either side has begun to close. */
  readonly isOpen: boolean;
  /** Bytes written but not yet taken by the operating system. */
  readonly backlogBytes: number;
  /** The same as part of what waits for all clients. */
  readonly backlog: Backlog;
  /** Set with every frame written; whoever watches for idleness clears it. */
  hasWritten: boolean;
  /** Set once, before the first frame can arrive. */
  receiver: FrameReceiver | undefined;

  /**
   * Writes the frames of a channel.
   *
   * @param leaveOut positions in the batch that this client must not get, ascending
   */
  write(batch: FrameBatch, leaveOut?: readonly number[]): void;
  /** Writes one frame, JSON text. */
  send(frame: string): void;
  /** Answers the client's frame `answerId` with a frame, or with nothing. */
  answer(answerId: number, frame: string | undefined): void;

  /** Liveness check of the protocol below; a socket that missed two of them is gone. Absent when the transport has its own. */
  ping?(): void;
  /** Stops or resumes reading. Frames that have already been read still arrive. */
  pauseReading(): void;
  resumeReading(): void;

  /**
   * Ends the connection after what has been written (websocket-protocol §8).
   *
   * @param error what a client is told that sees no close code
   */
  close(code: number, reason: string, error?: EndCode): void;
  /** Ends the connection at once and drops what has not been sent. */
  terminate(): void;
}
