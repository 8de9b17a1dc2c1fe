import type { Figure } from './figure';
import { natsOutage } from './nats-outage';
import { postgresOutage } from './postgres-outage';
import { subscribeRace } from './subscribe-race';

/** In the order of the promises. */
export const FIGURES: readonly Figure[] = [subscribeRace, natsOutage, postgresOutage];
