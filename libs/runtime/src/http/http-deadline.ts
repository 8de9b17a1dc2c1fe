import { ProtocolError } from '@hearth/protocol';
import { every } from '@hearth/timing';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** How often overdue requests are looked for; an answer comes at most this much after its deadline. */
const SWEEP_MS = 250;

/**
 * Answers requests that take longer than `timeoutMs` with 503 (client-http-api §1). The time starts when the body is
 * in. One sweep for all requests, which lie in order of arrival: a timer and an AbortController per request, as
 * Fastify's `handlerTimeout` has it, cost more than the rest of a small request. `overdue` sends the answer.
 */
export function addDeadline(
  instance: FastifyInstance,
  timeoutMs: number,
  overdue: (reply: FastifyReply, error: ProtocolError) => void,
): void {
  const pending = new Map<FastifyReply, number>();

  instance.addHook('preHandler', (_request, reply, done) => {
    pending.set(reply, performance.now());
    done();
  });
  instance.addHook('onResponse', (_request, reply, done) => {
    pending.delete(reply);
    done();
  });

  const sweeper = every(SWEEP_MS, () => {
    const oldest = performance.now() - timeoutMs;
    for (const [reply, startedAt] of pending) {
      if (startedAt > oldest) break;
      pending.delete(reply);
      if (!reply.sent) overdue(reply, new ProtocolError('SERVICE_UNAVAILABLE', 'The request took too long'));
    }
  });
  instance.addHook('onClose', (_instance, done) => {
    void sweeper.stop();
    done();
  });
}
