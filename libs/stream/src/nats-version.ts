/**
 * The oldest nats-server that Hearth works with: before it, a purge up to sequence 1 empties the whole stream
 * (nats-io/nats-server#4696), and with it messages that were accepted. 2.10 was mended with 2.10.4.
 */
const MINIMUM = '2.9.24';
const MINIMUM_OF_2_10 = '2.10.4';
/** For messages: "Hearth needs nats-server …". */
export const SUPPORTED_NATS = `${MINIMUM} or newer (of 2.10: ${MINIMUM_OF_2_10})`;

/** @param version as a server tells it: `2.10.27`, `2.12.0-RC.1` */
export function isSupportedNats(version: string): boolean {
  return isNewerOrSame(version, version.startsWith('2.10.') ? MINIMUM_OF_2_10 : MINIMUM);
}

/** Whether JetStream's `sync_interval` can be set; a server before 2.10 does not start with it. */
export function knowsSyncInterval(version: string): boolean {
  return isNewerOrSame(version, '2.10.0');
}

function isNewerOrSame(version: string, minimum: string): boolean {
  const [numbers, least] = [version, minimum].map((text) => text.split(/[.-]/, 3).map(Number)) as [number[], number[]];
  const differing = least.findIndex((number, index) => number !== numbers[index]);
  return differing === -1 || (numbers[differing] ?? NaN) > (least[differing] ?? NaN);
}
