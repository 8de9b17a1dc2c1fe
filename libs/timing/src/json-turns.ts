import { TurnBudget } from './turn-budget';

/** Nobody waits with less, and it is not counted. */
export const SMALL_JSON = 4_096;
/**
 * Parsed in one turn of the event loop, by all together. It costs 65 ns a byte at worst (empty objects, on a slow core), 2 for
 * a long string; ten bodies of 256 KiB that came together would hold everybody up for 100 ms.
 */
const BYTES_A_TURN = 65_536;
/** Nobody counts what waits here for those who bring it. */
const BYTES_WAITING = 33_554_432;

const turns = new TurnBudget(BYTES_A_TURN, BYTES_WAITING);

/**
 * Asks to parse JSON from somebody outside.
 *
 * @returns undefined when that may be done now; else resolves when it may
 */
export function jsonTurn(bytes: number): Promise<void> | undefined {
  return bytes <= SMALL_JSON ? undefined : turns.take(bytes);
}
