import { errorBody, OutageError, ProtocolError, protocolErrorOf, retryAfter } from '@hearth/protocol';
import { UnwantedError } from '@hearth/store';
import { HttpException } from '@nestjs/common';
import type { Logger } from '../log/logger';

/**
 * Of answers that come before it is known what a request is about. They tell nobody anything but what it has done wrong itself:
 * pages may read them, whatever their origin, so that they need not take them for an outage.
 */
export const FOR_ANY_PAGE = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'retry-after' };

/** The part of a Fastify reply that is needed to answer with an error. */
export interface ErrorReply {
  readonly sent: boolean;
  readonly raw?: { readonly headersSent: boolean };
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(payload: unknown): unknown;
}

/**
 * Answers with `{"error":{"code","message"}}` (publish-api §9). A `ProtocolError` says itself what is wrong; an outage
 * is `SERVICE_UNAVAILABLE`; whatever else was thrown is a bug and tells the client nothing. Both are logged here, once.
 */
export function sendError(reply: ErrorReply, thrown: unknown, logger: Logger): void {
  const error = toProtocolError(thrown);
  if (thrown instanceof OutageError && !(thrown instanceof UnwantedError))
    logger.warn({ err: thrown }, 'A request could not be answered');
  else if (error.code === 'INTERNAL_ERROR') logger.error({ err: thrown }, 'A request failed unexpectedly');
  // The deadline has answered already, though that may still wait for the end of a body (`listenToTheEnd`), or the client is gone.
  if (reply.sent || reply.raw?.headersSent === true) return;
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  const seconds = retryAfter(error);
  if (seconds !== undefined) reply.header('retry-after', seconds);
  reply.code(error.status);
  reply.send(errorBody(error));
}

/** The protocol's word for anything that can be thrown while a request is answered. */
function toProtocolError(thrown: unknown): ProtocolError {
  if (thrown instanceof ProtocolError || thrown instanceof OutageError) return protocolErrorOf(thrown);
  if (isBadPath(thrown)) return new ProtocolError('MALFORMED_MESSAGE', 'The path is not valid percent-encoding');
  const status = statusOf(thrown);
  switch (status) {
    case 401:
    case 403:
      return new ProtocolError('UNAUTHORIZED', 'The credentials are missing or wrong', { cause: thrown });
    case 404:
      return new ProtocolError('NOT_FOUND', 'There is nothing at this path', { cause: thrown });
    case 405:
      return new ProtocolError('METHOD_NOT_ALLOWED', 'This path does not support the method', { cause: thrown });
    case 413:
      return new ProtocolError('PAYLOAD_TOO_LARGE', 'The request body is too large', { cause: thrown });
    case 503:
      return new ProtocolError('SERVICE_UNAVAILABLE', 'The service is not available at the moment', { cause: thrown });
    default:
      return status >= 400 && status < 500
        ? new ProtocolError('MALFORMED_MESSAGE', 'The request cannot be understood', { cause: thrown })
        : protocolErrorOf(thrown);
  }
}

/** The router could not decode the path (`%zz`). */
function isBadPath(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'FST_ERR_BAD_URL';
}

/** HTTP status that Nest's or Fastify's own errors carry; 500 for everything else. */
function statusOf(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  const isFastify = thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('FST_ERR_');
  const isBroken = thrown instanceof Error && 'statusCode' in thrown && thrown.statusCode === 400;
  if ((isFastify || isBroken) && 'statusCode' in thrown && typeof thrown.statusCode === 'number')
    return thrown.statusCode;
  return 500;
}
