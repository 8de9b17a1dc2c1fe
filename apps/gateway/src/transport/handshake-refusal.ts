import { STATUS_CODES } from 'node:http';
import { errorBody, ProtocolError } from '@hearth/protocol';

/** What stands in the answer to a refused handshake (websocket-protocol §1.1); its HTTP status is the error's. */
export function handshakeRefusal(error: ProtocolError): { message: string } & ReturnType<typeof errorBody> {
  return { message: STATUS_CODES[error.status] ?? 'Error', ...errorBody(error) };
}
