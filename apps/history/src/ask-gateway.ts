import { ProtocolError } from '@hearth/protocol';
import { Database, liveGateways } from '@hearth/store';
import { gatewayIdOf } from '@hearth/wire';
import {
  AnswerTo,
  callGateway,
  ConnectionCredentials,
  GatewayRequest,
  StreamConnection,
  StreamUnavailableError,
} from '@hearth/stream';

/**
 * Asks the gateway that owns a connection.
 *
 * @throws ProtocolError the gateway's refusal; `UNAUTHORIZED` when there is no such gateway
 * @throws StreamUnavailableError when it does not answer, or NATS does not find it although nobody has ended it: NATS was away
 *   and the gateway is not back yet, or it died a moment ago
 */
export async function askGateway<R extends GatewayRequest>(
  stream: StreamConnection,
  { db }: Database,
  credentials: ConnectionCredentials,
  question: R,
  timeoutMs: number,
): Promise<AnswerTo<R>> {
  const gatewayId = gatewayIdOf(credentials.connectionId);
  if (gatewayId === undefined) throw noConnection();
  const answer = await callGateway(stream, gatewayId, credentials, question, timeoutMs);
  if (answer !== undefined) return answer;
  const isLive = (await liveGateways(db)).includes(gatewayId);
  throw isLive ? new StreamUnavailableError('the gateway did not answer') : noConnection();
}

function noConnection(): ProtocolError {
  return new ProtocolError('UNAUTHORIZED', 'connectionId: no such connection');
}
