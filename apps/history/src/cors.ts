import { originMatcher } from '@hearth/config';
import type { FastifyInstance } from 'fastify';

/** Browsers remember the permission for a day. */
const MAX_AGE_SECONDS = '86400';

/**
 * Lets pages of other origins call what lies below a path, errors included (client-http-api §1): simple requests work
 * without a preflight, preflights are answered `204`.
 *
 * `@fastify/cors` cannot be limited to a path of an application: in the all-in-one it would answer `OPTIONS` everywhere,
 * and put `Vary` on every publish.
 *
 * @param origins allowed origins, or `*` for all
 */
export function allowOrigins(server: FastifyInstance, pathPrefix: string, origins: readonly string[]): void {
  const everybody = origins.includes('*');
  const allows = originMatcher(origins);
  server.addHook('onRequest', (request, reply, done) => {
    if (!(request.raw.url ?? '').startsWith(pathPrefix)) return done();
    const { origin } = request.headers;
    if (everybody) {
      void reply.header('access-control-allow-origin', '*');
    } else {
      void reply.header('vary', 'origin');
      if (origin !== undefined && allows(origin)) void reply.header('access-control-allow-origin', origin);
    }
    void reply.header('access-control-expose-headers', 'retry-after');
    if (request.method !== 'OPTIONS') return done();
    void reply
      .code(204)
      .header('access-control-allow-methods', 'POST, OPTIONS')
      .header('access-control-allow-headers', 'content-type')
      .header('access-control-max-age', MAX_AGE_SECONDS)
      .send();
  });
}
