import { ProtocolError } from '@hearth/protocol';
import type { IncomingMessage } from 'node:http';

/**
 * Reads a request's body, for routes that do not go through Fastify's parsers.
 *
 * @returns the bytes; empty when there is no body
 * @throws ProtocolError `PAYLOAD_TOO_LARGE` as soon as it is known; the rest is read and dropped, so that the client,
 *   which may still be sending, gets the answer
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isWhole = false;
    const refuse = (): void => {
      request.removeAllListeners('data').resume();
      reject(new ProtocolError('PAYLOAD_TOO_LARGE', `the body must be at most ${maxBytes} bytes`));
    };
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
