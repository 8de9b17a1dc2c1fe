import { type BlockList, isIP, type Socket } from 'node:net';
import { addressKey, KeyedBuckets } from '@hearth/limits';
import { limitReached, rateLimited } from '@hearth/protocol';
import { blockList, type HearthConfig } from '@hearth/config';
import { peerAddress } from '../http/client-origin';
import { LimitAnswers } from './limit-answers';

export type AddressSettings = Pick<
  HearthConfig,
  | 'limitAddressSockets'
  | 'limitAddressConnections'
  | 'limitAddressHandshakes'
  | 'limitAddressRefusals'
  | 'limitAddressRequests'
  | 'limitAddressExempt'
  | 'trustedProxies'
>;

/** Addresses whose answer is remembered; then all are forgotten. */
const MOST_ASKED = 1_024;
/** No request waits longer for its turn: a client would have given it up. */
const LONGEST_WAIT_MS = 10_000;

/**
 * What one address may cost this process (limits §2): an IPv4 address, or an IPv6 /64. Addresses are those of `sourceIp`,
 * so behind the proxies that are trusted.
 */
export class AddressLimits {
  private readonly handshakes: KeyedBuckets;
  private readonly refusals: KeyedBuckets;
  private readonly requests: KeyedBuckets;
  /** Requests that took one, and may give it back. */
  private readonly counted = new WeakSet<object>();
  private readonly sockets = new Counts();
  private readonly connections = new Counts();
  private readonly proxies: BlockList;
  /** Whether the addresses that were asked for of late are exempt. */
  private readonly asked = new Map<string, boolean>();

  constructor(
    private readonly settings: AddressSettings,
    private readonly answers: LimitAnswers,
  ) {
    this.handshakes = new KeyedBuckets(settings.limitAddressHandshakes);
    this.refusals = new KeyedBuckets(settings.limitAddressRefusals);
    this.requests = new KeyedBuckets(settings.limitAddressRequests);
    this.proxies = blockList(settings.trustedProxies);
  }

  /**
   * Somebody has opened a TCP connection; nothing has come on it. A trusted proxy may have as many as it likes.
   *
   * @returns whether it may stay; it is counted until it closes then
   */
  takeSocket(socket: Socket): boolean {
    const most = this.settings.limitAddressSockets;
    const address = peerAddress(socket);
    if (most === Infinity || this.isExempt(address) || isIn(this.proxies, address)) return true;
    const key = addressKey(address);
    if (!this.sockets.add(key, most)) {
      this.answers.count({ limit: 'addressSockets', answer: 'closed', key, sourceIp: address });
      return false;
    }
    socket.once('close', () => this.sockets.remove(key));
    return true;
  }

  /**
   * Somebody wants to show a credential.
   *
   * @throws ProtocolError `RATE_LIMITED` for whoever has shown too many wrong ones; it is not to be looked at then
   */
  checkRefusals(address: string): void {
    // Nobody has shown a wrong one of late.
    if (this.refusals.size === 0) return;
    const key = addressKey(address);
    this.refuse('addressRefusals', address, this.refusals.waitMs(key, 1, performance.now()));
  }

  /** Somebody has shown a wrong credential. */
  refused(address: string): void {
    if (!this.isExempt(address)) this.refusals.charge(addressKey(address), 1, performance.now());
  }

  /**
   * A request begins, and whether it has a credential is not known yet.
   *
   * @returns how long it has to wait, ms
   * @throws ProtocolError `RATE_LIMITED` when that would be too long
   */
  takeRequest(address: string, request: object): number {
    if (this.isExempt(address)) return 0;
    const [key, nowMs] = [addressKey(address), performance.now()];
    const waitMs = this.requests.waitMs(key, 1, nowMs);
    if (waitMs > LONGEST_WAIT_MS) this.refuse('addressRequests', address, waitMs);
    if (waitMs > 0) this.answers.count({ limit: 'addressRequests', answer: 'delayed', key, sourceIp: address });
    // Those that wait are owed, so that each has a turn of its own.
    this.requests.charge(key, 1, nowMs);
    this.counted.add(request);
    return waitMs;
  }

  /** A request has shown a good credential, or is counted in another way: if it did count, it does not any more. */
  accepted(address: string, request: object): void {
    if (this.counted.delete(request)) this.requests.charge(addressKey(address), -1, performance.now());
  }

  /**
   * Lets `check` look at a credential that came from an address, and counts when it is wrong.
   *
   * @param isRefusal whether something thrown means that
   * @throws ProtocolError `RATE_LIMITED`, or what `check` throws
   */
  guard<T>(address: string, check: () => T, isRefusal: (error: unknown) => boolean): T {
    this.checkRefusals(address);
    try {
      return check();
    } catch (error) {
      if (isRefusal(error)) this.refused(address);
      throw error;
    }
  }

  /**
   * Somebody begins a connection.
   *
   * @throws ProtocolError `RATE_LIMITED`
   */
  takeHandshake(address: string): void {
    if (this.isExempt(address)) return;
    this.refuse('addressHandshakes', address, this.handshakes.take(addressKey(address), 1, performance.now()));
  }

  /**
   * A connection begins.
   *
   * @throws ProtocolError `LIMIT_REACHED`, status 429; nothing is counted then
   */
  enter(address: string): void {
    const most = this.settings.limitAddressConnections;
    if (most === Infinity || this.isExempt(address)) return;
    const key = addressKey(address);
    if (this.connections.add(key, most)) return;
    this.answers.count({ limit: 'addressConnections', answer: 'refused', key, sourceIp: address });
    throw limitReached('addressConnections', most, 'connections of an address', 429);
  }

  /** A connection has ended, or was not made after all. */
  leave(address: string): void {
    if (this.settings.limitAddressConnections === Infinity || this.isExempt(address)) return;
    this.connections.remove(addressKey(address));
  }

  private refuse(limit: string, address: string, waitMs: number): void {
    if (waitMs === 0) return;
    this.answers.count({ limit, answer: 'refused', key: addressKey(address), sourceIp: address });
    throw rateLimited(limit, waitMs);
  }

  /** A connection asks several times on its way in, and others meanwhile, at a price of 5 µs each. */
  private isExempt(address: string): boolean {
    const known = this.asked.get(address);
    if (known !== undefined) return known;
    const isExempt = isIn(this.settings.limitAddressExempt, address);
    if (this.asked.size >= MOST_ASKED) this.asked.clear();
    this.asked.set(address, isExempt);
    return isExempt;
  }
}

function isIn(ranges: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && ranges.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** How many there are of each key. */
class Counts {
  private readonly counts = new Map<string, number>();

  /** @returns whether there were fewer than `most`; otherwise it is not counted */
  add(key: string, most: number): boolean {
    const count = this.counts.get(key) ?? 0;
    if (count < most) this.counts.set(key, count + 1);
    return count < most;
  }

  remove(key: string): void {
    const count = this.counts.get(key) ?? 0;
    if (count > 1) this.counts.set(key, count - 1);
    else this.counts.delete(key);
  }
}
