import { isIP } from 'node:net';
import { addressKey, KeyedBuckets } from '@hearth/limits';
import { limitReached, rateLimited } from '@hearth/protocol';
import type { HearthConfig } from '@hearth/config';
import { LimitAnswers } from './limit-answers';

export type AddressSettings = Pick<
  HearthConfig,
  'limitAddressConnections' | 'limitAddressHandshakes' | 'limitAddressRefusals' | 'limitAddressExempt'
>;

/**
 * What one address may cost this process (limits §2): an IPv4 address, or an IPv6 /64. Addresses are those of `sourceIp`,
 * so behind the proxies that are trusted.
 */
export class AddressLimits {
  private readonly handshakes: KeyedBuckets;
  private readonly refusals: KeyedBuckets;
  private readonly connections = new Map<string, number>();
  /** The address that was asked for last. */
  private asked = { address: '', isExempt: false };

  constructor(
    private readonly settings: AddressSettings,
    private readonly answers: LimitAnswers,
  ) {
    this.handshakes = new KeyedBuckets(settings.limitAddressHandshakes);
    this.refusals = new KeyedBuckets(settings.limitAddressRefusals);
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
    const count = this.connections.get(key) ?? 0;
    if (count >= most) {
      this.answers.count({ limit: 'addressConnections', answer: 'refused', key, sourceIp: address });
      throw limitReached('addressConnections', most, 'connections of an address', 429);
    }
    this.connections.set(key, count + 1);
  }

  /** A connection has ended, or was not made after all. */
  leave(address: string): void {
    if (this.settings.limitAddressConnections === Infinity || this.isExempt(address)) return;
    const key = addressKey(address);
    const count = this.connections.get(key) ?? 0;
    if (count > 1) this.connections.set(key, count - 1);
    else this.connections.delete(key);
  }

  private refuse(limit: string, address: string, waitMs: number): void {
    if (waitMs === 0) return;
    this.answers.count({ limit, answer: 'refused', key: addressKey(address), sourceIp: address });
    throw rateLimited(limit, waitMs);
  }

  /** A connection asks several times on its way in, at a price of 5 µs each. */
  private isExempt(address: string): boolean {
    if (address !== this.asked.address) {
      const family = isIP(address);
      const isExempt = family !== 0 && this.settings.limitAddressExempt.check(address, family === 6 ? 'ipv6' : 'ipv4');
      this.asked = { address, isExempt };
    }
    return this.asked.isExempt;
  }
}
