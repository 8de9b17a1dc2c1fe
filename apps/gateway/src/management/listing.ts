import { setImmediate as turn } from 'node:timers/promises';
import { BlockList, isIP } from 'node:net';
import { utcInstant } from '@hearth/protocol';
import { blockList } from '@hearth/config';
import type { AnswerOf, Ask, ChannelSummary, ConnectionFilter, Listed } from '@hearth/stream';
import { SmallestItems, withinBytes } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import type { Channel } from '../channel/channel';
import { Hub } from '../channel/hub';
import { ConnectionRegistry, OpenConnection } from '../connection/connection-registry';
import type { Subscription } from '../connection/subscription';

/** Of an answer: a page of 1,000 connections with the largest metadata would be 33 MB. */
const ANSWER_BYTES = 256 * 1_024;
/** Connections that are looked at before something else has a turn: an address takes up to 5 µs each. */
const AT_ONCE = 1_000;
/** Subscriptions of one connection in an answer. */
const SUBSCRIPTIONS_AT_ONCE = 1_000;

const bytesOf = ({ key, json }: Listed): number => key.length + Buffer.byteLength(JSON.stringify(json));

/** What this gateway has to say when connections or channels are listed (management-api §2). */
@Injectable()
export class Listing {
  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly hub: Hub,
  ) {}

  async connections({ filter, after, limit }: Ask<'listConnections'>): Promise<AnswerOf<'listConnections'>> {
    const matches = matcherOf(filter);
    const smallest = new SmallestItems(({ id }: OpenConnection) => id, after, limit);
    let [total, seen] = [0, 0];
    for (const connection of this.registry.all()) {
      if (++seen % AT_ONCE === 0) await turn();
      if (!matches(connection)) continue;
      total++;
      smallest.add(connection);
    }
    const { items, isCut } = smallest.take();
    const listed = items.map((connection) => ({ key: connection.id, json: connectionJson(connection) }));
    return { total, part: withinBytes({ items: listed, isCut }, ANSWER_BYTES, bytesOf) };
  }

  describe({ connectionId, after }: Ask<'describeConnection'>): AnswerOf<'describeConnection'> {
    const connection = this.registry.get(connectionId);
    if (connection === undefined) return null;
    const smallest = new SmallestItems(({ channel }: Subscription) => channel.name, after, SUBSCRIPTIONS_AT_ONCE);
    for (const subscription of connection.allSubscriptions) smallest.add(subscription);
    const { items, isCut } = smallest.take();
    const listed = items.map((one) => ({ key: one.channel.name, json: subscriptionJson(one) }));
    return {
      json: connectionJson(connection),
      subscriptions: withinBytes({ items: listed, isCut }, ANSWER_BYTES, bytesOf),
    };
  }

  /** Channels with a subscription here. */
  channels({ prefix, after, limit }: Ask<'listChannels'>): AnswerOf<'listChannels'> {
    const smallest = new SmallestItems(({ name }: Channel) => name, after, limit);
    for (const channel of this.hub.all()) {
      if (channel.subscriptions.all > 0 && channel.name.startsWith(prefix)) smallest.add(channel);
    }
    const { items, isCut } = smallest.take();
    const summaries = items.map(({ name, subscriptions: { all, counted } }): ChannelSummary => {
      return { name, subscriptionsCount: counted, connectionsCount: all };
    });
    return withinBytes({ items: summaries, isCut }, ANSWER_BYTES, (one) => Buffer.byteLength(JSON.stringify(one)));
  }
}

function matcherOf({ uid, channel, address, jti }: ConnectionFilter): (connection: OpenConnection) => boolean {
  const isThere = address === undefined ? undefined : addressMatcher(address);
  return (connection) =>
    (uid === undefined || connection.identity.uid === uid) &&
    (jti === undefined || connection.connect.jti === jti) &&
    (channel === undefined || connection.isSubscribed(channel)) &&
    (isThere === undefined || isThere(connection.sourceIp ?? ''));
}

function addressMatcher(range: string): (address: string) => boolean {
  const blocks: BlockList = blockList([range]);
  const known = new Map<string, boolean>();
  return (address) => {
    let isThere = known.get(address);
    if (isThere === undefined) {
      const family = isIP(address);
      isThere = family !== 0 && blocks.check(address, family === 6 ? 'ipv6' : 'ipv4');
      known.set(address, isThere);
    }
    return isThere;
  };
}

function connectionJson(connection: OpenConnection): string {
  const { id, identity, sourceIp, userAgent, socket, connectedAtMs, expiresAtMs, connect } = connection;
  const head = JSON.stringify({ id, uid: identity.uid });
  const tail = JSON.stringify({
    sourceIp: sourceIp ?? null,
    userAgent: userAgent ?? null,
    transport: socket.transport,
    connectedAt: utcInstant(connectedAtMs),
    expiresAt: utcInstant(expiresAtMs),
    jti: connect.jti ?? null,
    kid: connect.keyId ?? null,
    subscriptionsCount: connection.subscriptionsCount,
  });
  // As the issuer wrote it: a 20-digit number stays one.
  return `${head.slice(0, -1)},"umd":${identity.umdJson},${tail.slice(1)}`;
}

function subscriptionJson({ channel, identity, alias, subscribedAtMs }: Subscription): string {
  const head = JSON.stringify({ channel: channel.name, uid: identity.uid });
  const tail = JSON.stringify({ alias: alias ?? null, subscribedAt: utcInstant(subscribedAtMs) });
  return `${head.slice(0, -1)},"umd":${identity.umdJson},${tail.slice(1)}`;
}
