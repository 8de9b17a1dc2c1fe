import type { FastifyInstance } from 'fastify';

/** Tells which methods a path supports, for `405` with `Allow` (publish-api §9). */
export interface KnownRoutes {
  /** Methods of the routes that match the path; empty when there is no such path. */
  methodsOf(requestTarget: string): readonly string[];
}

/**
 * Remembers every route that is added to `instance` from now on. Fastify answers 404 for a known path with another
 * method and offers no look-up by path alone.
 */
export function rememberRoutes(instance: FastifyInstance): KnownRoutes {
  const routes = new Map<string, { readonly shape: RegExp; readonly methods: Set<string> }>();
  instance.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { shape: shapeOf(url), methods: new Set() };
    for (const name of Array.isArray(method) ? method : [method]) route.methods.add(name);
    routes.set(url, route);
  });
  return {
    methodsOf: (requestTarget) => {
      const path = (requestTarget.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/');
      const matching = [...routes.values()].filter(({ shape }) => shape.test(path));
      return [...new Set(matching.flatMap(({ methods }) => [...methods]))].sort();
    },
  };
}

/** `/channels/:name/storage` and `/files/*` as expressions over request paths. */
function shapeOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    return part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  });
  return new RegExp(`^${parts.join('/')}$`);
}
