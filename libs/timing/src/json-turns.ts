import { TurnBudget } from './turn-budget';

/** Nobody waits with less, and it is not counted. */
const SMALL_JSON = 4_096;
/** Parsed in one turn of the event loop, by all together: some 4 ms at worst, a tenth of one as a rule. */
const BYTES_A_TURN = 65_536;
/** Nobody else counts it for those who bring it. */
const BYTES_KEPT = 33_554_432;

const turns = new TurnBudget(BYTES_A_TURN, BYTES_KEPT);

/**
 * Asks to parse JSON from somebody outside.
 *
 * @returns undefined when that may be done now; else resolves when it may
 */
export function jsonTurn(bytes: number): Promise<void> | undefined {
  return bytes <= SMALL_JSON ? undefined : turns.take(bytes);
}

/** Bytes are kept until they are parsed; call the result when they are. */
export function holdJson(bytes: number): () => void {
  return turns.hold(bytes);
}

/** Asks for many pieces of one text, of which small ones count together. */
export class JsonPieces {
  private uncounted = 0;

  /** As `jsonTurn`. */
  turn(bytes: number): Promise<void> | undefined {
    this.uncounted += bytes;
    if (this.uncounted <= SMALL_JSON) return undefined;
    const turn = jsonTurn(this.uncounted);
    this.uncounted = 0;
    return turn;
  }
}
