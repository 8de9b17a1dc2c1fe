import { ProtocolError } from '@hearth/protocol';
import type { IncomingMessage } from 'node:http';
import { isTooManyPieces } from './body-pieces';

/**
 * Nothing is unpacked: a few bytes could become any number, and what publishers send is small.
 *
 * @returns the refusal of a body that is packed, with status 415, or for its way with 501 (RFC 9112 §6.1)
 */
function packedRefusal({ headers }: Pick<IncomingMessage, 'headers'>): ProtocolError | undefined {
  if (!/^\s*chunked\s*$/i.test(headers['transfer-encoding'] ?? 'chunked'))
    return new ProtocolError('MALFORMED_MESSAGE', 'Transfer-Encoding may only be chunked', { status: 501 });
  const encoding = headers['content-encoding'];
  if (encoding === undefined || /^(identity)?$/i.test(encoding.trim())) return undefined;
  const message = 'Content-Encoding: bodies are taken as they are, not packed';
  return new ProtocolError('MALFORMED_MESSAGE', message, { status: 415 });
}

/** So many are put together: each by itself is an object of some 100 bytes, and holds what arrived with it. */
const LOOSE_PIECES = 64;

/**
 * Reads a request's body.
 *
 * @returns the bytes; empty when there is no body
 * @throws ProtocolError with status 415 or 501 for one that is packed; `PAYLOAD_TOO_LARGE` as soon as it is known; the rest is read and dropped, so that
 *   the client, which may still be sending, gets the answer. Also for one in too many pieces, whose connection ends
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let joined: Buffer[] = [];
    let loose: Buffer[] = [];
    let [bytes, pieces, isWhole] = [0, 0, false];
    const refuse = (error: ProtocolError): void => {
      [joined, loose] = [[], []];
      request.removeAllListeners('data').resume();
      reject(error);
    };
    const tooLarge = (): void =>
      refuse(new ProtocolError('PAYLOAD_TOO_LARGE', `the body must be at most ${maxBytes} bytes`));
    const packed = packedRefusal(request);
    if (packed !== undefined) return refuse(packed);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge();
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) return tooLarge();
      if (isTooManyPieces(++pieces, bytes))
        return refuse(new ProtocolError('PAYLOAD_TOO_LARGE', 'the body comes in too many pieces'));
      if (loose.push(chunk) < LOOSE_PIECES) return;
      joined.push(Buffer.concat(loose));
      loose = [];
    });
    request.on('end', () => {
      isWhole = true;
      const [first, ...others] = [...joined, ...loose];
      resolve(first !== undefined && others.length === 0 ? first : Buffer.concat([...joined, ...loose]));
    });
    request.on('close', () => {
      if (!isWhole) reject(new ProtocolError('MALFORMED_MESSAGE', 'the body ended early'));
    });
  });
}
