import { ProtocolError } from '@hearth/protocol';
import { ApiKeys, bearerToken } from '@hearth/runtime';
import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';

/** Lets in whoever has a valid API key (publish-api §2). */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(private readonly keys: ApiKeys) {}

  canActivate(context: ExecutionContext): boolean {
    return this.admit(context.switchToHttp().getRequest<FastifyRequest>().raw);
  }

  /**
   * The same, for routes that must know it before the body is read: a guard runs after that.
   *
   * @throws ProtocolError `UNAUTHORIZED`
   */
  admit({ headers }: Pick<IncomingMessage, 'headers'>): true {
    const key = bearerToken(headers);
    if (key !== undefined && this.keys.accepts(key)) return true;
    throw new ProtocolError(
      'UNAUTHORIZED',
      key === undefined ? 'the Authorization header must be "Bearer <API key>"' : 'the API key is not valid',
    );
  }
}
