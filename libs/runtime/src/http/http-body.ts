import { ProtocolError } from '@hearth/protocol';
import type { IncomingMessage } from 'node:http';

/**
 * Nothing is unpacked: a few bytes could become any number, and what publishers send is small.
 *
 * @returns the refusal of a body that is packed, with status 415
 */
export function packedRefusal({ headers }: Pick<IncomingMessage, 'headers'>): ProtocolError | undefined {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || /^(identity)?$/i.test(encoding.trim())) return undefined;
  const message = 'Content-Encoding: bodies are taken as they are, not packed';
  return new ProtocolError('MALFORMED_MESSAGE', message, { status: 415 });
}

/**
 * Reads a request's body, for routes that do not go through Fastify's parsers.
 *
 * @returns the bytes; empty when there is no body
 * @throws ProtocolError with status 415 for one that is packed; `PAYLOAD_TOO_LARGE` as soon as it is known; the rest is read and dropped, so that the client,
 *   which may still be sending, gets the answer
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isWhole = false;
    const refuse = (
      error = new ProtocolError('PAYLOAD_TOO_LARGE', `the body must be at most ${maxBytes} bytes`),
    ): void => {
      request.removeAllListeners('data').resume();
      reject(error);
    };
    const packed = packedRefusal(request);
    if (packed !== undefined) return refuse(packed);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return refuse();
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > maxBytes) refuse();
    });
    request.on('end', () => {
      isWhole = true;
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('close', () => {
      if (!isWhole) reject(new ProtocolError('MALFORMED_MESSAGE', 'the body ended early'));
    });
  });
}
