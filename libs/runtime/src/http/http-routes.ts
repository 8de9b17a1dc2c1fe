import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Says of a route whose feature can be switched off whether it is there; it answers 404 itself when not. */
    isThere?: () => boolean;
  }
}

/** Tells which methods a path supports, for `405` with `Allow` (publish-api §9). */
export interface KnownRoutes {
  /** Methods of the routes that match the path; empty when there is no such path. */
  methodsOf(requestTarget: string): readonly string[];
}

interface KnownRoute {
  readonly shape: RegExp;
  readonly methods: Set<string>;
  readonly isThere: () => boolean;
}

const always = (): boolean => true;

/**
 * Remembers every route that is added to `instance` from now on. Fastify answers 404 for a known path with another
 * method and offers no look-up by path alone.
 */
export function rememberRoutes(instance: FastifyInstance): KnownRoutes {
  const routes = new Map<string, KnownRoute>();
  instance.addHook('onRoute', ({ url, method, config }) => {
    const isThere = config?.isThere ?? always;
    const route = routes.get(url) ?? { shape: shapeOf(url), methods: new Set(), isThere };
    for (const name of Array.isArray(method) ? method : [method]) route.methods.add(name);
    routes.set(url, route);
  });
  return {
    methodsOf: (requestTarget) => {
      const path = (requestTarget.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/');
      const matching = [...routes.values()].filter(({ shape, isThere }) => shape.test(path) && isThere());
      return [...new Set(matching.flatMap(({ methods }) => [...methods]))].sort();
    },
  };
}

/** `/channels/:name/storage`, `/:date(^\\d+$)/x` and `/files/*` as expressions over request paths. */
function shapeOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    const [, expression] = /^:\w+\(\^(.+)\$\)$/.exec(part) ?? [];
    if (expression !== undefined) return expression;
    if (part.startsWith(':')) return '[^/]+';
    return part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  });
  return new RegExp(`^${parts.join('/')}$`);
}
