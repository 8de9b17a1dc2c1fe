import { protocolErrorOf } from '@hearth/protocol';
import type { HearthConfig } from '@hearth/config';
import { Audit, type AuditActor, type AuditRecord, CONFIG, originReader } from '@hearth/runtime';
import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';

/** A change that somebody with the right to it has asked for. */
export interface AskedChange extends Pick<AuditRecord, 'action' | 'target'> {
  readonly actor: AuditActor;
  readonly request: IncomingMessage;
  readonly reason?: string;
}

/** Carries changes out, and records each in the audit log (management-api §7). */
@Injectable()
export class Changes {
  private readonly originOf: ReturnType<typeof originReader>;

  constructor(
    private readonly audit: Audit,
    @Inject(CONFIG) config: Pick<HearthConfig, 'trustedProxies'>,
  ) {
    this.originOf = originReader(config);
  }

  /**
   * @param resultOf what is recorded of the outcome
   * @returns what `change` gives
   * @throws whatever it throws, which is recorded as well
   */
  async carryOut<T>(
    asked: AskedChange,
    change: () => Promise<T>,
    resultOf: (outcome: T) => AuditRecord['result'] = () => null,
  ): Promise<T> {
    try {
      const outcome = await change();
      this.record(asked, 'ok', resultOf(outcome));
      return outcome;
    } catch (error) {
      this.record(asked, 'failed', { code: protocolErrorOf(error).code });
      throw error;
    }
  }

  private record(
    { action, actor, request, target, reason }: AskedChange,
    outcome: AuditRecord['outcome'],
    result: AuditRecord['result'],
  ): void {
    const { sourceIp } = this.originOf(request);
    this.audit.record({ action, outcome, actor, sourceIp, target, reason: reason ?? null, result });
  }
}
