import type { HearthConfig } from '@hearth/config';
import { AddressLimits, Audit, sourceIpReader } from '@hearth/runtime';
import type { FastifyInstance } from 'fastify';

/**
 * Does not look at the credentials of addresses that have shown too many wrong ones (limits §2), below a path. Who knows
 * whether they are right is a gateway, so it is counted by its answer.
 */
export function limitWrongCredentials(
  server: FastifyInstance,
  pathPrefix: string,
  addresses: AddressLimits,
  audit: Audit,
  config: Pick<HearthConfig, 'trustedProxies'>,
): void {
  const addressOf = sourceIpReader(config);
  server.addHook('onRequest', (request, _reply, done) => {
    try {
      if ((request.raw.url ?? '').startsWith(pathPrefix)) addresses.checkRefusals(addressOf(request.raw));
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  server.addHook('onResponse', (request, reply, done) => {
    const { method, url = '' } = request.raw;
    if (url.startsWith(pathPrefix) && method === 'POST') {
      if (reply.statusCode === 401) {
        const address = addressOf(request.raw);
        addresses.refused(address);
        audit.refused('client-http', address, 'UNAUTHORIZED');
      }
    }
    done();
  });
}
