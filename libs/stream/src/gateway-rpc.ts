import { ProtocolError, ErrorCode, LimitDetails, ReactionRequest } from '@hearth/protocol';
import { gatewaySubject } from '@hearth/wire';
import { ErrorCode as NatsErrorCode, NatsError } from 'nats';
import { StreamConnection, StreamUnavailableError } from './connection';
import type { StorageAnswer, StorageRequest } from './storage-rpc';

/**
 * Requests to the gateway that owns a connection. The connection id names the gateway, so no row per connection is
 * written anywhere and the answer is as fresh as the connection itself.
 */

/** What a client asks for over HTTP (client-http-api). */
export type GatewayRequest =
  | StorageRequest
  | { readonly operation: 'listMessages'; readonly channel: string }
  | {
      readonly operation: 'publishMessage';
      readonly channel: string;
      readonly event: string;
      /** JSON text. */
      readonly data: string;
      readonly eagerIdGeneration: boolean;
      /** When it is due, ms since 1970; absent = now. */
      readonly dueMs?: number;
      readonly sourceIp?: string;
      readonly userAgent?: string;
    }
  | ({
      readonly operation: 'react';
      readonly channel: string;
      readonly sourceIp?: string;
      readonly userAgent?: string;
    } & ReactionRequest)
  | { readonly operation: 'listReactions'; readonly channel: string }
  | { readonly operation: 'getChannelInfo'; readonly channel: string }
  /** Without a channel: the connection's own metadata. */
  | { readonly operation: 'umdUpdate'; readonly channel?: string; readonly token: string };

export interface ConnectionCredentials {
  readonly connectionId: string;
  readonly connectionSecret: string;
}

export type GatewayAnswer =
  | StorageAnswer
  /** The channel's real name and the oldest visible instant, ms since 1970. */
  | { readonly operation: 'listMessages'; readonly channel: string; readonly sinceMs: number }
  | {
      readonly operation: 'publishMessage';
      readonly channel: string;
      readonly id: string | null;
      readonly scheduleArn?: string;
    }
  /** It can be read. */
  | { readonly operation: 'react'; readonly channel: string }
  /** As for `listMessages`; everything accepted before can be read. */
  | { readonly operation: 'listReactions'; readonly channel: string; readonly sinceMs: number }
  /** The channel's real name; what is to be told of it can be read from Postgres now. */
  | { readonly operation: 'getChannelInfo'; readonly channel: string }
  | { readonly operation: 'umdUpdate' };

export type AnswerTo<R extends GatewayRequest> = Extract<GatewayAnswer, { operation: R['operation'] }>;

/** What goes over the wire; an error is carried as its code and text, and the limit that it is about. */
export type GatewayReply =
  | { readonly answer: GatewayAnswer }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly limited?: LimitDetails } };

export interface GatewayCall {
  readonly credentials: ConnectionCredentials;
  readonly request: GatewayRequest;
}

/**
 * Asks a gateway.
 *
 * @returns its answer; `undefined` when nobody listens under this number: it is gone, or not connected to NATS
 * @throws ProtocolError the gateway's refusal; `PAYLOAD_TOO_LARGE`
 * @throws StreamUnavailableError when NATS is away, or the gateway does not answer in `timeoutMs`
 */
export async function callGateway<R extends GatewayRequest>(
  connection: StreamConnection,
  gatewayId: number,
  credentials: ConnectionCredentials,
  request: R,
  timeoutMs: number,
): Promise<AnswerTo<R> | undefined> {
  // What is sent while NATS is away would be carried out whenever it is back, long after its sender was told that it failed.
  if (!connection.isConnected) throw new StreamUnavailableError('NATS is not connected');
  const call = Buffer.from(JSON.stringify({ credentials, request } satisfies GatewayCall), 'utf8');
  if (call.length > connection.maxPayload) {
    const message = `data: the request is ${call.length} bytes on its way, and NATS takes at most ${connection.maxPayload}`;
    throw new ProtocolError('PAYLOAD_TOO_LARGE', message);
  }
  let reply: GatewayReply;
  try {
    const message = await connection.nats.request(gatewaySubject(gatewayId), call, { timeout: timeoutMs });
    reply = message.json<GatewayReply>();
  } catch (error) {
    if (error instanceof NatsError && error.code === String(NatsErrorCode.NoResponders)) return undefined;
    throw new StreamUnavailableError('the gateway did not answer', { cause: error });
  }
  if ('error' in reply) {
    const { code, message, limited } = reply.error;
    throw new ProtocolError(code, message, { limited });
  }
  return reply.answer as AnswerTo<R>;
}

/**
 * Answers what is asked of a gateway.
 *
 * @param answer gets a `GatewayCall` as JSON; never rejects
 * @returns ends it
 */
export function answerCalls(
  connection: StreamConnection,
  gatewayId: number,
  answer: (call: string) => Promise<GatewayReply>,
): () => void {
  return connection.listen(gatewaySubject(gatewayId), (message) => {
    void answer(message.string()).then((reply) => connection.answer(message, JSON.stringify(reply)));
  });
}
