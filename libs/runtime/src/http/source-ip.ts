import type { IncomingMessage } from 'node:http';
import { isIP, type BlockList } from 'node:net';
import type { HearthConfig } from '../config/config';
import { blockList } from '../config/variable-kinds';

/** Address of the client of a request or an upgrade; `''` when its socket is gone already. */
export type SourceIp = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string;

/**
 * Reads client addresses, looking through `HEARTH_TRUSTED_PROXIES` (configuration §2). `X-Forwarded-For` is believed
 * only when the peer is a trusted proxy, and only from the right: each proxy appends the address it saw, so the first
 * one from the right that is not itself a trusted proxy is the client. What stands left of it the client may have made up.
 */
export function sourceIpReader(config: Pick<HearthConfig, 'trustedProxies'>): SourceIp {
  if (config.trustedProxies.length === 0) return peerOf;
  const trusted = blockList(config.trustedProxies);
  return (request) => {
    const peer = peerOf(request);
    return isTrusted(trusted, peer) ? clientOf(trusted, peer, request.headers['x-forwarded-for']) : peer;
  };
}

function clientOf(trusted: BlockList, peer: string, header: string | readonly string[] | undefined): string {
  const hops = (typeof header === 'string' ? header : (header ?? []).join()).split(',');
  let client = peer;
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = addressOf(hops[i] ?? '');
    if (hop === undefined) break;
    client = hop;
    if (!isTrusted(trusted, hop)) break;
  }
  return client;
}

function peerOf(request: Pick<IncomingMessage, 'socket'>): string {
  return unmapped(request.socket.remoteAddress ?? '');
}

/** Some proxies add a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function addressOf(hop: string): string | undefined {
  const bare = hop.trim().replace(/^\[([^\]]*)\](:\d+)?$/, '$1');
  const address = isIP(bare) === 0 ? bare.replace(/:\d+$/, '') : bare;
  return isIP(address) === 0 ? undefined : unmapped(address);
}

/** A socket that listens on IPv6 shows IPv4 peers as `::ffff:192.0.2.1`. */
function unmapped(address: string): string {
  return address.toLowerCase().startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function isTrusted(trusted: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
