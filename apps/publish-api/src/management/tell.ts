import type { Denial } from '@hearth/wire';
import type { RollCall } from './gateways';

/** What came of it, over all gateways that answered. */
export interface Told {
  readonly disconnected: number;
  readonly unsubscribed: number;
  /** Digests of the connect tokens of those who were closed, where they shall be refused. */
  readonly tokens: ReadonlySet<string>;
  /** When the last of these refusals ends, ms since 1970. */
  readonly refusedUntilMs: number | undefined;
  /** When the last of the tokens that were found to be revoked by their `jti` expires, ms since 1970. */
  readonly tokensEndMs: number | undefined;
}

/**
 * Tells all gateways what is denied, and again those of them that could not do all of it at once.
 *
 * @param version that the denials have in Postgres, if they are kept there
 */
export async function tell(rollCall: RollCall, denials: readonly Denial[], version?: number): Promise<Told> {
  const tokens = new Set<string>();
  let [disconnected, unsubscribed, tokensEndMs, refusedUntilMs] = [0, 0, 0, 0];
  for (;;) {
    const answers = await rollCall.ask('deny', { denials, version });
    for (const answer of answers) {
      disconnected += answer.disconnected;
      unsubscribed += answer.unsubscribed;
      tokensEndMs = Math.max(tokensEndMs, answer.tokensEndMs ?? 0);
      refusedUntilMs = Math.max(refusedUntilMs, answer.refusedUntilMs ?? 0);
      for (const token of answer.tokens) tokens.add(token);
    }
    if (!answers.some(({ more }) => more)) {
      return {
        disconnected,
        unsubscribed,
        tokens,
        refusedUntilMs: refusedUntilMs || undefined,
        tokensEndMs: tokensEndMs || undefined,
      };
    }
  }
}
