import { ReadTurns } from '@hearth/store';
import { Injectable } from '@nestjs/common';

/** Each may read a lot, and after a restart thousands of clients may resume at the same moment. */
const READS_AT_ONCE = 16;

/** Turns to read the deliver stream for clients that resume. */
@Injectable()
export class StreamReadTurns extends ReadTurns {
  constructor() {
    super(READS_AT_ONCE);
  }
}
