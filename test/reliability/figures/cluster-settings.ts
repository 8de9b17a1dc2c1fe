import type { ClusterSettings } from '../cluster';

/** Of the cluster that figures are measured on. */
export const CLUSTER_SETTINGS: ClusterSettings = { ownPostgres: true };
