import { parseClaims, parseRegisteredClaims } from './parse-claims';
import { warmUpPatterns } from './regex-cache';
import { TokenWork } from './token-work';

/** About 10 ms. */
const ROUNDS = 5;
const CHANNELS = 400;

/** Has the checks of tokens compiled by the JavaScript engine before the first one is measured: they are several times slower until then. */
export function warmUpTokens(): void {
  warmUpPatterns();
  const entry = { subscribe: true, messages: { '*': { publish: true } }, storage: { k: { get: true } } };
  const names = Array.from({ length: CHANNELS }, (_, n) => (n % 2 === 0 ? `channel.${n}` : `channel.${n}.*`));
  const payload = { scope: 'connect', exp: 0, channels: Object.fromEntries(names.map((name) => [name, entry])) };
  const text = JSON.stringify(payload);
  for (let round = 0; round < ROUNDS; round++) {
    parseClaims(payload, text, parseRegisteredClaims(payload), undefined, new TokenWork(() => 0));
  }
}
