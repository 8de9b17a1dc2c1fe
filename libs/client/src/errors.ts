import type { Gap } from './types';

/** What an error says besides its message. */
export interface ErrorDetails {
  /** For programs: a code of the protocol (websocket-protocol §7), or one of ours. */
  readonly code?: string;
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** Whatever this library fails with (client-library §10). */
export class HearthError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(message?: string, { code = 'ERROR', retryable = false, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HearthError';
    this.code = code;
    this.retryable = retryable;
  }
}

/** A kind of error: its code, where nobody says another, is its name (`NOT_CONNECTED`), and so is its message. */
function kind(name: string, isRetryable = false): new (message?: string, details?: ErrorDetails) => HearthError {
  const ownCode = name
    .replace('Error', '')
    .replace(/\B[A-Z]/g, '_$&')
    .toUpperCase();
  return class extends HearthError {
    constructor(message = ownCode, { code = ownCode, retryable = isRetryable, cause }: ErrorDetails = {}) {
      super(message, { code, retryable, cause });
      this.name = name;
    }
  };
}

/** There is no open connection, and the call does not wait for one. */
export class NotConnectedError extends kind('NotConnectedError', true) {}

/** The token function gave no usable token. */
export class TokenError extends kind('TokenError', true) {}

/** This user may not connect. A token function that throws it ends all attempts. */
export class UnauthorizedError extends kind('UnauthorizedError') {}

/** A subscription was refused. */
export class SubscribeError extends kind('SubscribeError') {}

/** A message or reaction was refused: it was not delivered to anybody. */
export class PublishError extends kind('PublishError') {}

/** Nobody knows whether the message was accepted, and sending it again could deliver it twice. */
export class PublishUncertainError extends kind('PublishUncertainError') {}

/** It could not be sent in time, and was not. */
export class TimeoutError extends kind('TimeoutError', true) {}

/** `terminate()` was called. */
export class ClosedError extends kind('ClosedError') {}

/** History could not be read. */
export class HistoryError extends kind('HistoryError') {}

/** A storage write was refused. */
export class StorageError extends kind('StorageError') {}

/** A call with arguments that cannot be right. */
export class InvalidArgumentError extends kind('InvalidArgumentError') {}

/** Messages were missed that a history iterator cannot give. */
export class GapError extends kind('GapError', true) {
  constructor(readonly gap: Gap) {
    super(`${gap.channel}: Messages missed`);
  }
}
