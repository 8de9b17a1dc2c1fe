/** A setting is missing, contradicts another one or cannot be used (server-sdk §5). */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  /**
   * @param option the name of the option to change
   * @param problem what is wrong with it, worded to follow its name; never its value, which may be a secret
   */
  constructor(
    readonly option: string,
    problem: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${option} ${problem}`, options);
  }
}

/** A call was given something that cannot be a message or a set of claims. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

/** What is known about a failed publish. */
export interface PublishFailure {
  /** HTTP status; absent when no answer came. */
  readonly statusCode?: number;
  /**
   * Hearth's error code (`INVALID_CHANNEL`), the AWS exception's name (`ResourceNotFoundException`), `TIMEOUT`,
   * `NETWORK_ERROR`, or `HTTP_<status>` when the answer names none.
   */
  readonly code: string;
  /** The answer's body as it came. */
  readonly payload?: Uint8Array;
  /** Lambda only: the function ran and refused the message. */
  readonly functionError?: string;
  /** Lambda only: to look the request up in the server's log. */
  readonly requestId?: string;
}

/** The message was not accepted, or nobody knows whether it was because no answer came. */
export class PublishError extends Error implements PublishFailure {
  override readonly name = 'PublishError';
  readonly statusCode?: number;
  readonly code: string;
  readonly payload?: Uint8Array;
  readonly functionError?: string;
  readonly requestId?: string;

  constructor(problem: string, failure: PublishFailure, options?: { readonly cause?: unknown }) {
    super(`${failure.code}: ${problem}`, options);
    this.statusCode = failure.statusCode;
    this.code = failure.code;
    this.payload = failure.payload;
    this.functionError = failure.functionError;
    this.requestId = failure.requestId;
  }
}
