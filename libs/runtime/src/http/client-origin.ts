import { all as addresses } from '@fastify/proxy-addr';
import ipaddr from 'ipaddr.js';
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { blockList, type HearthConfig } from '@hearth/config';
import type { Sender } from './plain-posts';

/** Who sent a request or an upgrade. */
export interface ClientOrigin {
  /** `''` when its socket is gone already. */
  readonly sourceIp: string;
  /** `User-Agent`; `undefined` when there was none. */
  readonly userAgent: string | undefined;
}

/** Real user agents stay far below; without a bound, 64 KiB of header would travel with every message. */
const MAX_USER_AGENT_CHARACTERS = 1_024;

/** Reads who sent a request, looking through the proxies that are trusted. */
export function originReader(config: Pick<HearthConfig, 'trustedProxies'>): (request: Sender) => ClientOrigin {
  const sourceIp = sourceIpReader(config);
  return (request) => ({
    sourceIp: sourceIp(request),
    userAgent: userAgentOf(request.headers),
  });
}

/** Node reads one character a byte; what is UTF-8 is read as that. */
function userAgentOf({ 'user-agent': header }: IncomingHttpHeaders): string | undefined {
  if (header === undefined) return undefined;
  const isAscii = Buffer.byteLength(header) === header.length;
  if (isAscii) return header.slice(0, MAX_USER_AGENT_CHARACTERS);
  const bytes = Buffer.from(header, 'latin1');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : header;
  return text.slice(0, MAX_USER_AGENT_CHARACTERS).toWellFormed();
}

/**
 * Reads client addresses, looking through `HEARTH_TRUSTED_PROXIES` (configuration §2). `X-Forwarded-For` is believed
 * only when the peer is a trusted proxy, and only from the right: each proxy appends the address it saw, so the first
 * one from the right that is not itself a trusted proxy is the client. What stands left of it the client may have made up.
 *
 * The walk is that of Fastify's `trustProxy`, which upgrades to WebSocket never come by; nor does it know ports and
 * words that are no address.
 */
export function sourceIpReader({ trustedProxies }: Pick<HearthConfig, 'trustedProxies'>) {
  if (trustedProxies.length === 0) return ({ socket }: Sender): string => peerAddress(socket);
  const trusted = blockList(trustedProxies);
  const isTrusted = (hop: string | undefined): boolean => {
    const address = addressOf(hop);
    return address !== '' && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };
  return (request: Sender): string => {
    // It looks at nothing else.
    const hops = addresses(request as IncomingMessage, isTrusted).map(addressOf);
    return hops.findLast((address) => address !== '') ?? '';
  };
}

/** Of whoever is at the other end of a TCP connection, client or proxy. */
export function peerAddress({ remoteAddress = '' }: Pick<Socket, 'remoteAddress'>): string {
  return unmapped(remoteAddress);
}

/** Without the port that some proxies add (`192.0.2.1:4711`, `[2001:db8::1]:4711`); `''` for what is no address. */
function addressOf(hop = ''): string {
  const bare = hop.replace(/^\[([^\]]*)\](:\d+)?$/, '$1');
  const address = isIP(bare) === 0 ? bare.replace(/:\d+$/, '') : bare;
  return isIP(address) === 0 ? '' : unmapped(address);
}

/** A socket that listens on IPv6 shows IPv4 peers as `::ffff:192.0.2.1`; some proxies write `::ffff:c000:201`. */
function unmapped(address: string): string {
  return /^[0:]*:ffff:/i.test(address) ? ipaddr.process(address).toString() : address;
}
