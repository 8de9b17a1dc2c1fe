import { randomUUID } from 'node:crypto';
import { Claims, TokenError, TokenUse, verifyToken, warmUpTokens, type WorkWatch } from '@hearth/claims';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import { consumeSingleUse, Database } from '@hearth/store';
import { installationNow } from '@hearth/timing';
import { Inject, Injectable } from '@nestjs/common';
import { Denials } from '../denials/denials';

/** Checks of tokens that need the installation's keys and its memory of used tokens (tokens-and-claims §1, §2.1). */
@Injectable()
export class Tokens {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'reloadable' | 'tokenLeewaySeconds' | 'requireKid'>,
    private readonly database: Database,
    private readonly denials: Denials,
  ) {
    warmUpTokens();
  }

  /**
   * The claims of a token that may be used so, and was not revoked; the binding to a connection is not checked here.
   *
   * @param watch whose it is
   * @throws TokenError
   */
  async verify(token: string, use: TokenUse, watch?: WorkWatch): Promise<Claims> {
    // Read at every use: keys change while the process runs.
    const { signingKeys, tokenAudience, tokenIssuer } = this.config.reloadable.current;
    const settings = {
      keys: signingKeys,
      audience: tokenAudience,
      issuer: tokenIssuer,
      leewaySeconds: this.config.tokenLeewaySeconds,
      requireKid: this.config.requireKid,
    };
    const claims = await verifyToken(token, use, settings, installationNow(), cpuMs, watch);
    if (!this.denials.isRevoked(claims)) return claims;
    this.denials.saw(claims);
    throw new TokenError('revoked', 'token was revoked');
  }

  /**
   * Uses a single-use token up; every other token can be used for ever. Must be the last check: a token is only used by
   * a use that succeeds.
   *
   * @param use a UUID, the same when somebody asks again who did not get the answer
   * @returns false when it has been used before, on any gateway
   * @throws OutageError when that cannot be found out
   */
  async consume(claims: Claims, use: string = randomUUID()): Promise<boolean> {
    if (!claims.singleUse || claims.jti === undefined) return true;
    return consumeSingleUse(this.database.db, claims.jti, claims.exp + this.config.tokenLeewaySeconds, use);
  }
}

/** Of this process: what others do on the machine meanwhile is none of a token's business. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
