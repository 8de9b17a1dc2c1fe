import { ProtocolError } from '@hearth/protocol';
import { gatewayIdOf } from '@hearth/wire';
import { AnswerTo, callGateway, ConnectionCredentials, GatewayRequest, StreamConnection } from '@hearth/stream';

/**
 * Asks the gateway that owns a connection.
 *
 * @throws ProtocolError the gateway's refusal; `UNAUTHORIZED` when there is no such gateway
 * @throws StreamUnavailableError when it does not answer
 */
export async function askGateway<R extends GatewayRequest>(
  stream: StreamConnection,
  credentials: ConnectionCredentials,
  question: R,
  timeoutMs: number,
): Promise<AnswerTo<R>> {
  const gatewayId = gatewayIdOf(credentials.connectionId);
  if (gatewayId === undefined) throw new ProtocolError('UNAUTHORIZED', 'connectionId: no such connection');
  return callGateway(stream, gatewayId, credentials, question, timeoutMs);
}
