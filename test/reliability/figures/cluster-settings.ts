import { type ClusterSettings, collectsGarbage } from '../cluster';

/** Longer than any publisher of a figure repeats a message, and short enough to see the end of it. */
export const DEDUPLICATION_SECONDS = 90;

/** Of the cluster that figures are measured on. */
export const CLUSTER_SETTINGS: ClusterSettings = {
  ownPostgres: true,
  env: { ...collectsGarbage, HEARTH_DEDUPLICATION_SECONDS: String(DEDUPLICATION_SECONDS) },
};
