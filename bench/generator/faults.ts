import { Audience } from './audience';
import { DeliveryLog } from './delivery-log';
import { Faults } from './job';
import { Publisher } from './publisher';

export const NO_FAULTS: Faults = {
  missing: 0,
  duplicates: 0,
  outOfOrder: 0,
  misrouted: 0,
  refused: 0,
  lostConnections: 0,
  notStored: 0,
  early: 0,
};

/** Everything that went wrong in a run with subscribers. */
export function collectFaults(audience: Audience, log: DeliveryLog, publisher: Publisher): Faults {
  return {
    ...NO_FAULTS,
    missing: log.missing(audience.subscribers, publisher.acceptedByChannel),
    duplicates: log.duplicates,
    outOfOrder: log.outOfOrder,
    misrouted: log.misrouted,
    refused: publisher.refused,
    lostConnections: audience.lost().length,
  };
}
