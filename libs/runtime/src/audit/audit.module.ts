import { EventPublisher } from '@hearth/stream';
import { untilAborted } from '@hearth/timing';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ReloadableSettings } from '@hearth/config';
import { AdminServer, peerOf } from '../admin/admin-server';
import { eventPublisher } from '../event-publisher.provider';
import { AddressLimits } from '../limits/address-limits';
import { LimitAnswers } from '../limits/limit-answers';
import type { Logger } from '../log/logger';
import { LOGGER, TIME_UP } from '../service-module';
import { Audit } from './audit';

/** What is told in the end gets so long to arrive, however late it is. */
const LAST_MS = 500;

/** The audit log of a process, one for all its services. */
@Module({
  providers: [
    eventPublisher,
    {
      provide: Audit,
      useFactory: (publisher: EventPublisher, reloadable: ReloadableSettings, logger: Logger) =>
        new Audit(publisher, reloadable, logger),
      inject: [EventPublisher, ReloadableSettings, LOGGER],
    },
  ],
  exports: [Audit],
})
export class AuditModule implements OnApplicationShutdown {
  constructor(
    private readonly audit: Audit,
    private readonly publisher: EventPublisher,
    @Inject(TIME_UP) private readonly timeUp: AbortSignal,
    limits: LimitAnswers,
    addresses: AddressLimits,
    admin: AdminServer,
  ) {
    limits.onAnswer((answer) => audit.limited(answer));
    admin.guardedBy((request, isRight) => {
      const address = peerOf(request);
      addresses.checkRefusals(address);
      if (isRight()) {
        addresses.accepted(address, request);
        return true;
      }
      addresses.refused(address);
      audit.refused('admin', address, 'UNAUTHORIZED');
      return false;
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.audit.flush();
    await untilAborted(this.timeUp, this.publisher.settle(), LAST_MS);
    this.publisher.close();
  }
}
