import { claimsCorpus } from './claims-corpus';
import { dedupWindow } from './dedup-window';
import type { Figure } from './figure';
import { ghosts } from './ghosts';
import { hostileInput } from './hostile-input';
import { limitRate } from './limit-rate';
import { natsOutage } from './nats-outage';
import { pausedReaders } from './paused-readers';
import { postgresOutage } from './postgres-outage';
import { plantedSecrets } from './planted-secrets';
import { powerCut } from './power-cut';
import { schedulesUnderKills } from './schedules-under-kills';
import { subscribeRace } from './subscribe-race';

/** In the order of the promises. */
export const FIGURES: readonly Figure[] = [
  subscribeRace,
  natsOutage,
  postgresOutage,
  pausedReaders,
  ghosts,
  dedupWindow,
  schedulesUnderKills,
  claimsCorpus,
  plantedSecrets,
  hostileInput,
  powerCut,
  limitRate,
];
