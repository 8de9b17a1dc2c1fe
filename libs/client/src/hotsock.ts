import { HearthClient } from './client';
import type { ClientOptions } from './types';

/**
 * The official client's class: what it documents works unchanged. It asks for no replays, because pages that load history
 * when they are subscribed would show those twice.
 */
export class HotsockClient extends HearthClient {
  constructor(webSocketUrl: string, options: ClientOptions) {
    super(webSocketUrl, { ...options, recover: false, livenessSeconds: 0 });
  }
}
