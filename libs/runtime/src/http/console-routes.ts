import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { projectRoot, type HearthConfig } from '@hearth/config';
import { CONFIG } from '../service-module';

/** Everything of the page comes from here; what it may talk to is the user's choice of `wssUrl`. No text becomes code. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  // A new version's page must not run an old version's script.
  'cache-control': 'no-cache',
};

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const FRONT_PAGE = 'front.html';

/**
 * The web console at `GET /console` (features, "Web console"): the files of `apps/console` as they are. They are
 * public and hold no secrets; the page gets its rights from the token its user enters.
 */
@Injectable()
export class ConsoleRoutes implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'consoleEnabled'>,
  ) {}

  onModuleInit(): void {
    if (!this.config.consoleEnabled) return;
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    // Not compiled, so they lie beside the sources, for the code in `dist/` too.
    const folder = join(projectRoot(), 'apps', 'console');
    showFrontPage(server, readFileSync(join(folder, FRONT_PAGE)));
    for (const name of readdirSync(folder).filter((name) => name !== FRONT_PAGE)) {
      const body = readFileSync(join(folder, name));
      const type = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
      server.get(pathOf(name), (_request, reply) => reply.headers(HEADERS).header('content-type', type).send(body));
    }
  }
}

/** Pages have no file name in their path. */
function pathOf(name: string): string {
  return name === 'index.html' ? '/console' : `/console/${name.replace(/\.html$/, '')}`;
}

/** People who open the address of an installation read what it is. To everybody else there is nothing at this path. */
function showFrontPage(server: FastifyInstance, page: Buffer): void {
  server.addHook('onRequest', (request, reply, done) => {
    if (!isForFrontPage(request)) return done();
    void reply.headers(HEADERS).header('vary', 'accept').header('content-type', CONTENT_TYPES['.html']).send(page);
  });
}

function isForFrontPage({ method, raw }: FastifyRequest): boolean {
  const { url = '', headers } = raw;
  if (url.charCodeAt(1) !== QUESTION_MARK && url.length > 1) return false;
  return (method === 'GET' || method === 'HEAD') && /\btext\/html\b/.test(headers.accept ?? '');
}

const QUESTION_MARK = '?'.charCodeAt(0);
