import { checkConnectBinding, TokenError } from '@hearth/claims';
import { connectResume, ProtocolError, protocolErrorOf } from '@hearth/protocol';
import { HearthConfig, originMatcher } from '@hearth/config';
import { Audit, CONFIG, Logger, LOGGER, Metrics, originReader, type Sender } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Opening } from '../connection/connection';
import { ConnectionRegistry } from '../connection/connection-registry';
import { tokenDigest } from '../connection/credentials';
import { Tokens } from '../connection/tokens';
import { Denials } from '../denials/denials';
import { Limits } from '../limits/connection-limits';

/** A client that has passed the handshake. */
export interface Admission {
  readonly opening: Opening;
  /** Gives the reserved place back; call it once the connection is open or has failed. */
  readonly release: () => void;
}

/** Who may connect (websocket-protocol §1.1), for both transports. The token is never logged. */
@Injectable()
export class Handshake {
  private readonly originOf: ReturnType<typeof originReader>;
  private readonly mayConnect: (origin: string) => boolean;

  constructor(
    private readonly connections: ConnectionRegistry,
    private readonly tokens: Tokens,
    private readonly denials: Denials,
    private readonly limits: Limits,
    private readonly audit: Audit,
    private readonly metrics: Metrics,
    @Inject(CONFIG) config: Pick<HearthConfig, 'trustedProxies' | 'wsOrigins'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.originOf = originReader(config);
    this.mayConnect = originMatcher(config.wsOrigins.length === 0 ? ['*'] : config.wsOrigins);
  }

  /** Nobody is let in any more. */
  get isDraining(): boolean {
    return this.connections.isDraining;
  }

  /** Places that are left for connections; Infinity without a limit. */
  get room(): number {
    return this.connections.room;
  }

  /**
   * Lets a client in. What can be checked without other machines comes first and the use of a single-use token last, so
   * that a refused client keeps its token.
   *
   * @param token as the client sent it, of whatever type
   * @param resume as the client sent it, of whatever type (resume §1)
   * @throws ProtocolError whose `status` and `code` say why not
   */
  async admit(request: Sender, token: unknown, resume: unknown): Promise<Admission> {
    const origin = this.originOf(request);
    const taken: (() => void)[] = [];
    const giveBack = (): void => {
      for (const give of taken.splice(0)) give();
    };
    try {
      const release = this.connections.reserve();
      try {
        this.checkOrigin(request.headers);
        taken.push(this.limits.takePlace(origin.sourceIp));
        const { claims, tokenDigest } = await this.checkToken(token, origin.sourceIp, taken);
        const { sourceIp, userAgent } = origin;
        // Written out here and wherever a connect comes by: V8 gives each object that spreads make a shape of its own
        // (docs/performance.md).
        const opening: Opening = {
          claims,
          tokenDigest,
          sourceIp,
          userAgent,
          resume: connectResume(resume),
          isTaken: false,
        };
        return {
          opening,
          release: () => {
            release();
            if (!opening.isTaken) giveBack();
          },
        };
      } catch (error) {
        release();
        giveBack();
        throw error;
      }
    } catch (error) {
      throw this.refusal(error, origin.sourceIp);
    }
  }

  /**
   * A client opens a session of a transport that shows its token later.
   *
   * @throws ProtocolError with status 429
   */
  openSession(request: Sender): void {
    this.limits.takeSession(this.originOf(request).sourceIp);
  }

  /** A request belongs to a connection, whose token was good, or to a handshake, which counts by itself. */
  knows(request: Sender): void {
    this.limits.knows(this.originOf(request).sourceIp, request);
  }

  private checkOrigin({ origin }: IncomingHttpHeaders): void {
    // Only browsers send one, and only for browsers does it mean anything.
    if (origin === undefined || this.mayConnect(origin)) return;
    throw new ProtocolError('UNAUTHORIZED', 'this origin may not connect', { status: 403 });
  }

  /** @param taken gets what gives back what the user takes up */
  private async checkToken(
    token: unknown,
    sourceIp: string,
    taken: (() => void)[],
  ): Promise<Pick<Opening, 'claims' | 'tokenDigest'>> {
    if (token === undefined || token === null || token === '') {
      throw new ProtocolError('INVALID_CONNECT_TOKEN', 'token is required');
    }
    if (typeof token !== 'string') throw new ProtocolError('INVALID_CONNECT_TOKEN', 'token must be a string');
    const claims = await this.tokens.verify(token, 'connect');
    checkConnectBinding(claims);
    const digest = tokenDigest(token);
    if (this.denials.goodbyeFor(claims, digest) !== undefined) {
      throw new ProtocolError('INVALID_CONNECT_TOKEN', 'this token is refused at the moment', { status: 403 });
    }
    taken.push(this.limits.takeUser(claims, { sourceIp, uid: claims.uid, tokenDigest: digest }));
    if (!(await this.tokens.consume(claims))) {
      throw new ProtocolError('INVALID_CONNECT_TOKEN', 'this single-use token has been used', { status: 403 });
    }
    return { claims, tokenDigest: digest };
  }

  private refusal(error: unknown, sourceIp: string): ProtocolError {
    const refusal = asProtocolError(error);
    const { code, status } = refusal;
    if (status === 401 || status === 403) {
      this.audit.refused('connect', sourceIp, error instanceof TokenError ? error.reason : code);
    }
    if (refusal.code === 'INVALID_CONNECT_TOKEN') this.limits.refusedToken(sourceIp);
    this.metrics.handshakeRefused.of(refusal.code).inc();
    if (refusal.status >= 500) this.logger.warn({ err: error }, 'a handshake could not be completed');
    else this.logger.debug({ code: refusal.code, reason: refusal.message }, 'a handshake was refused');
    return refusal;
  }
}

function asProtocolError(error: unknown): ProtocolError {
  if (!(error instanceof TokenError)) return protocolErrorOf(error);
  const reason = error.reason === 'revoked' ? error.reason : undefined;
  return new ProtocolError('INVALID_CONNECT_TOKEN', error.message, { status: error.status, reason });
}
