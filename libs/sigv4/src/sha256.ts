import { createHash, hash } from 'node:crypto';

/** How a digest is written: `binary` has one character per byte. */
export type DigestEncoding = 'hex' | 'binary';

/** SHA-256 of bytes, or of a text in UTF-8. */
export const sha256: (data: string | Uint8Array, encoding: DigestEncoding) => string = oneShot() ?? inSteps;

/** A third of the price, for no object has to be made and collected; from Node 20.12 on, and the server library runs on 20.0. */
function oneShot(): typeof sha256 | undefined {
  const available: typeof hash | undefined = hash;
  return available && ((data, encoding) => available('sha256', data, encoding));
}

function inSteps(data: string | Uint8Array, encoding: DigestEncoding): string {
  return createHash('sha256').update(data).digest(encoding);
}

/** SHA-256, hex: how bodies and canonical requests are named in a signature. */
export function sha256Hex(data: string | Uint8Array): string {
  return sha256(data, 'hex');
}
