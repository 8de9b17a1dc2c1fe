import { asyncApiDocument, openApiDocument } from '@hearth/api-documents';
import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import { type HearthConfig, type Outputs, outputsOf, VERSION } from '@hearth/config';
import { CONFIG } from '../service-module';

/** Public, and read by tools that run in a browser. */
const HEADERS = {
  'content-type': 'application/json',
  'access-control-allow-origin': '*',
  'x-content-type-options': 'nosniff',
  // A new version has another text under the same address.
  'cache-control': 'no-cache',
};

/**
 * `GET /openapi.json` and `/asyncapi.json`: what an installation offers, for machines. Every service with a public port
 * has them; they are written when somebody asks first.
 */
@Injectable()
export class DocumentRoutes implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {}

  onModuleInit(): void {
    this.serve('/openapi.json', ({ httpApiUrl }) => openApiDocument(VERSION, httpApiUrl));
    this.serve('/asyncapi.json', ({ webSocketUrl }) => asyncApiDocument(VERSION, webSocketUrl));
  }

  private serve(url: string, write: (outputs: Outputs) => object): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    // Services that share a process share its port.
    if (server.hasRoute({ method: 'GET', url })) return;
    let text: Buffer | undefined;
    server.get(url, (_request, reply) => {
      const outputs = (): Outputs => outputsOf(this.config, (server.server.address() as AddressInfo).port);
      text ??= Buffer.from(JSON.stringify(write(outputs())));
      return reply.headers(HEADERS).send(text);
    });
  }
}
