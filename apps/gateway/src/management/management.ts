import { Logger, LOGGER } from '@hearth/runtime';
import { answerManagement, ManagementHandlers, StreamConnection } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import { Enforcement } from '../denials/enforcement';
import { GatewayLease } from '../gateway-lease';
import { DeliveryTraces } from './delivery-trace';
import { Listing } from './listing';

/** This gateway's part in the management API: it answers what the nodes ask that serve it. */
@Injectable()
export class Management {
  private stopListening: () => void = () => undefined;
  private readonly handlers: ManagementHandlers;

  constructor(
    private readonly stream: StreamConnection,
    private readonly lease: GatewayLease,
    @Inject(LOGGER) private readonly logger: Logger,
    listing: Listing,
    traces: DeliveryTraces,
    enforcement: Enforcement,
  ) {
    this.handlers = {
      listConnections: (ask) => listing.connections(ask),
      listChannels: (ask) => listing.channels(ask),
      describeConnection: (ask) => listing.describe(ask),
      traceDelivery: (ask) => traces.trace(ask),
      deny: (ask) => enforcement.deny(ask),
    };
  }

  /** Under the number that the gateway has now. */
  listen(): void {
    this.stopListening();
    this.stopListening = answerManagement(this.stream, this.lease.gatewayId, this.handlers, (error) =>
      this.logger.error({ err: error }, 'a request of the management API could not be answered'),
    );
  }
}
