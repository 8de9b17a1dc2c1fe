import { isPublicAddress } from './rules/public-address';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** The URL leads to where no webhook may go. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  constructor(host: string) {
    super(`${host} has no public address, and HEARTH_WEBHOOK_ALLOW_PRIVATE is off`);
  }
}

/**
 * Resolves a name to its public addresses only. It is given to the connection itself, so what is checked is what is
 * connected to: an answer of the name server that changes between a check and its use cannot get around it.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const [first, ...others] = addresses.filter(({ address }) => isPublicAddress(address));
    if (first === undefined) return callback(new PrivateAddressError(hostname), '');
    if (options.all === true) return callback(null, [first, ...others]);
    callback(null, first.address, first.family);
  });
};
