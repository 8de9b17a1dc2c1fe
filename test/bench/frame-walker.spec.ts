import * as fc from 'fast-check';
import { clientFrame, FrameWalker } from '../../bench/generator/frame-walker';

/** A frame as a server sends it: final, not masked. */
function serverFrame(text: string, opcode = 1): Buffer {
  const payload = Buffer.from(text);
  if (payload.length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload]);
  if (payload.length < 65_536) {
    const header = Buffer.from([0x80 | opcode, 126, 0, 0]);
    header.writeUInt16BE(payload.length, 2);
    return Buffer.concat([header, payload]);
  }
  const header = Buffer.alloc(10);
  header[0] = 0x80 | opcode;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

/** Feeds the reads to a walker, each in a buffer that is overwritten afterwards, as the generator's is. */
function walk(reads: readonly Buffer[]): { opcode: number; text: string }[] {
  const frames: { opcode: number; text: string }[] = [];
  const walker = new FrameWalker({
    frame: (opcode, buffer, start, end) => frames.push({ opcode, text: buffer.toString('utf8', start, end) }),
  });
  for (const read of reads) {
    const shared = Buffer.from(read);
    walker.push(shared, 0, shared.length);
    shared.fill(0xff);
  }
  return frames;
}

describe('the frame walker', () => {
  it('finds frames of all three header sizes in one read', () => {
    const texts = ['', 'a'.repeat(125), 'b'.repeat(126), 'c'.repeat(70_000), 'd'];
    expect(walk([Buffer.concat(texts.map((text) => serverFrame(text)))])).toEqual(
      texts.map((text) => ({ opcode: 1, text })),
    );
  });

  it('finds the same frames however the stream is cut into reads', () => {
    const message = fc.integer({ min: 0, max: 400 }).map((length) => 'x'.repeat(length));
    const size = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), fc.array(size, { minLength: 1 }), (texts, sizes) => {
        const stream = Buffer.concat(texts.map((text) => serverFrame(text)));
        const reads: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + sizes[i % sizes.length]!;
          reads.push(stream.subarray(at, end));
          at = end;
        }
        expect(walk(reads).map(({ text }) => text)).toEqual(texts);
      }),
    );
  });

  it('finds a frame that comes byte by byte', () => {
    const bytes = serverFrame('e'.repeat(66_000));
    const reads = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
    expect(walk(reads)).toEqual([{ opcode: 1, text: 'e'.repeat(66_000) }]);
  });

  it('hands on control frames with their opcode', () => {
    expect(walk([serverFrame('ping', 9)])).toEqual([{ opcode: 9, text: 'ping' }]);
  });

  it('refuses fragmented and masked messages', () => {
    expect(() => walk([Buffer.from([0x01, 1, 65])])).toThrow('fragmented');
    expect(() => walk([clientFrame(1, 'hello')])).toThrow('masked');
  });
});

describe('a client frame', () => {
  it('is masked with zeroes, so that its text stands in it as it is', () => {
    expect(clientFrame(1, 'hi')).toEqual(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 104, 105]));
    const long = clientFrame(1, 'y'.repeat(300));
    expect(long.subarray(0, 4)).toEqual(Buffer.from([0x81, 0xfe, 1, 44]));
    expect(long.length).toBe(308);
  });
});
