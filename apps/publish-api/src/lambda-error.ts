import { protocolErrorOf, retryAfter } from '@hearth/protocol';
import { SignatureError } from '@hearth/sigv4';
import { StreamFullError } from '@hearth/stream';

/** The one table of failures at the Lambda-compatible door (publish-api §10.4): SDKs make their exceptions of them. */
const ERRORS = {
  MissingAuthenticationTokenException: { status: 403, body: (message: string) => ({ message }) },
  IncompleteSignatureException: { status: 403, body: (message: string) => ({ message }) },
  UnrecognizedClientException: { status: 403, body: (message: string) => ({ message }) },
  InvalidSignatureException: { status: 403, body: (message: string) => ({ message }) },
  ResourceNotFoundException: { status: 404, body: (Message: string) => ({ Type: 'User', Message }) },
  InvalidRequestContentException: { status: 400, body: (message: string) => ({ Type: 'User', message }) },
  InvalidParameterValueException: { status: 400, body: (message: string) => ({ Type: 'User', message }) },
  UnknownOperationException: { status: 404, body: (Message: string) => ({ Type: 'User', Message }) },
  UnsupportedMediaTypeException: { status: 415, body: (message: string) => ({ Type: 'User', message }) },
  RequestTooLargeException: { status: 413, body: (message: string) => ({ Type: 'User', message }) },
  TooManyRequestsException: {
    status: 429,
    body: (message: string) => ({ Type: 'User', Reason: 'CallerRateLimitExceeded', message }),
  },
  ServiceException: { status: 500, body: (Message: string) => ({ Type: 'Service', Message }) },
} as const;

export type LambdaErrorName = keyof typeof ERRORS;

/** Long enough for a sequencer to make room in a full queue; SDKs have a back-off of their own on top. */
const RETRY_AFTER_SECONDS = '1';

/** An invocation that was refused, or failed, for another reason than its message. */
export class LambdaError extends Error {
  /** Value of `Retry-After`, for `TooManyRequestsException`. */
  readonly retryAfter: string;

  constructor(
    override readonly name: LambdaErrorName,
    message: string,
    options: ErrorOptions & { readonly retryAfter?: string } = {},
  ) {
    super(message, options);
    this.retryAfter = options.retryAfter ?? RETRY_AFTER_SECONDS;
  }

  get status(): number {
    return ERRORS[this.name].status;
  }

  /** JSON text of the answer. */
  get body(): string {
    return JSON.stringify(ERRORS[this.name].body(this.message));
  }
}

/**
 * AWS's word for anything that can be thrown while an invocation is answered. A queue that is full is
 * `TooManyRequestsException`, NATS being away is `ServiceException`: SDKs repeat both, the first one more slowly. What is
 * a bug has its error as `cause` and tells the caller nothing.
 */
export function toLambdaError(error: unknown): LambdaError {
  if (error instanceof LambdaError) return error;
  if (error instanceof SignatureError) return new LambdaError(error.failure, error.message);
  const refusal = protocolErrorOf(error);
  const { code, message, cause, status } = refusal;
  if (code === 'RATE_LIMITED') {
    return new LambdaError('TooManyRequestsException', message, { retryAfter: retryAfter(refusal) });
  }
  if (code === 'INTERNAL_ERROR') return new LambdaError('ServiceException', message, { cause: error });
  if (status === 415) return new LambdaError('UnsupportedMediaTypeException', message);
  if (code === 'PAYLOAD_TOO_LARGE') return new LambdaError('RequestTooLargeException', message);
  if (code !== 'SERVICE_UNAVAILABLE') return new LambdaError('InvalidRequestContentException', message);
  const isFull = cause instanceof StreamFullError;
  return new LambdaError(isFull ? 'TooManyRequestsException' : 'ServiceException', message);
}
