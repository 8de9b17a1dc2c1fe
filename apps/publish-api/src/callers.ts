import { ProtocolError } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import {
  AddressLimits,
  ApiKeys,
  Audit,
  bearerToken,
  CONFIG,
  isSecret,
  type Sender,
  sourceIpReader,
} from '@hearth/runtime';
import { CanActivate, createParamDecorator, ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { KeyLimits } from './limits/key-limits';

/** Who calls: an API key by its number, or the admin token. */
export type Caller = `api-key:${number}` | 'admin';

/** Tells callers of the server-side HTTP API by their credentials (publish-api §2, management-api §1). */
@Injectable()
export class Callers {
  private readonly addressOf: ReturnType<typeof sourceIpReader>;

  constructor(
    private readonly keys: ApiKeys,
    private readonly addresses: AddressLimits,
    private readonly audit: Audit,
    private readonly limits: KeyLimits,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'reloadable' | 'managementAuth' | 'trustedProxies'>,
  ) {
    this.addressOf = sourceIpReader(config);
  }

  /**
   * Whoever has an API key.
   *
   * @throws ProtocolError `UNAUTHORIZED`
   */
  publisher(request: Sender): Caller {
    return this.guarded(request, () => this.keyOf(request) ?? refuse(request, 'API key'));
  }

  /**
   * Whoever has an API key or the admin token, for what is older than the management API.
   *
   * @throws ProtocolError `UNAUTHORIZED`, `RATE_LIMITED`
   */
  reader(request: Sender): Caller {
    const mayBeAdmin = this.config.managementAuth !== 'off';
    const caller = this.guarded(request, () => {
      if (mayBeAdmin && this.isAdmin(request)) return 'admin';
      return this.keyOf(request) ?? refuse(request, 'API key');
    });
    this.limits.takeRequest(caller);
    return caller;
  }

  /**
   * Whoever may use the management API.
   *
   * @throws ProtocolError `UNAUTHORIZED`, `RATE_LIMITED`; `NOT_FOUND` where it is switched off
   */
  manager(request: Sender): Caller {
    const { managementAuth } = this.config;
    if (managementAuth === 'off') throw new ProtocolError('NOT_FOUND', 'There is nothing at this path');
    const caller = this.guarded(request, () => {
      if (this.isAdmin(request)) return 'admin';
      const key = managementAuth === 'admin' ? undefined : this.keyOf(request);
      return key ?? refuse(request, managementAuth === 'admin' ? 'admin token' : 'API key or admin token');
    });
    this.limits.takeRequest(caller);
    return caller;
  }

  /** Does not look at the credentials of an address that has shown too many wrong ones (limits §2). */
  private guarded(request: Sender, check: () => Caller): Caller {
    const address = this.addressOf(request);
    const caller = this.addresses.guard(address, check, (error) => {
      const isRefusal = error instanceof ProtocolError && error.code === 'UNAUTHORIZED';
      if (isRefusal) this.audit.refused('server-http', address, error.code);
      return isRefusal;
    });
    this.addresses.accepted(address, request);
    return caller;
  }

  private keyOf({ headers }: Sender): Caller | undefined {
    const number = this.keys.numberOf(bearerToken(headers) ?? '');
    return number === 0 ? undefined : `api-key:${number}`;
  }

  private isAdmin({ headers }: Sender): boolean {
    const { adminToken } = this.config.reloadable.current;
    const given = bearerToken(headers);
    return adminToken !== undefined && given !== undefined && isSecret(given, adminToken);
  }
}

function refuse({ headers }: Sender, credential: string): never {
  const isMissing = bearerToken(headers) === undefined;
  throw new ProtocolError(
    'UNAUTHORIZED',
    isMissing ? `the Authorization header must be "Bearer <${credential}>"` : `the ${credential} is not valid`,
  );
}

/**
 * What cannot be decoded would be taken as it is written, and ask for something else.
 *
 * @throws ProtocolError naming the first parameter that is no percent-encoded UTF-8
 */
function checkEscapes({ url = '' }: IncomingMessage): void {
  const query = /\?(.*)/.exec(url)?.[1] ?? '';
  for (const [, name = '', value = ''] of query.matchAll(/([^&=]*)=?([^&]*)/g)) {
    try {
      decodeURIComponent(name);
      decodeURIComponent(value);
    } catch {
      throw new ProtocolError('INVALID_TYPE', `${name} must be percent-encoded UTF-8`);
    }
  }
}

type KnownRequest = FastifyRequest & { caller?: Caller };

/** Parameter of a controller's method: who calls, once a guard of this file has let it in. */
export const CalledBy = createParamDecorator(
  (_: unknown, context: ExecutionContext): Caller | undefined =>
    context.switchToHttp().getRequest<KnownRequest>().caller,
);

/** Lets in whoever may read (`Callers.reader`). */
@Injectable()
export class ReaderGuard implements CanActivate {
  constructor(private readonly callers: Callers) {}

  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<KnownRequest>();
    request.caller = this.callers.reader(request.raw);
    checkEscapes(request.raw);
    return true;
  }
}

/** Lets in whoever may use the management API (`Callers.manager`). */
@Injectable()
export class ManagerGuard implements CanActivate {
  constructor(private readonly callers: Callers) {}

  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<KnownRequest>();
    request.caller = this.callers.manager(request.raw);
    checkEscapes(request.raw);
    return true;
  }
}
