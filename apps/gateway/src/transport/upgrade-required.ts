import { Inject, Injectable, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ProtocolError } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import type { FastifyInstance } from 'fastify';
import { handshakeRefusal } from './handshake-refusal';

/**
 * Answers plain HTTP requests on the WebSocket paths with `426` (websocket-protocol §1.1). Registered on the HTTP
 * server directly, because the paths are configured and a controller's are not.
 */
@Injectable()
export class UpgradeRequired implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'wsPaths'>,
  ) {}

  onModuleInit(): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    for (const path of new Set(this.config.wsPaths)) {
      server.all(path, (_request, reply) => {
        const refusal = new ProtocolError('UPGRADE_REQUIRED', 'this path speaks WebSocket only');
        // With an option of ours, Node looks at the client's no more: one that keeps no connection waited for the end.
        reply.code(refusal.status).header('upgrade', 'websocket').header('connection', 'upgrade, close');
        return reply.send(handshakeRefusal(refusal));
      });
    }
  }
}
