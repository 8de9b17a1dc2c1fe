import { checkConnectionBinding, Claims, Grants, TokenError } from '@hearth/claims';
import { Identity, isPresenceChannel, sameJson, ProtocolError } from '@hearth/protocol';
import { IngestPublisher } from '@hearth/stream';
import { Injectable } from '@nestjs/common';
import { realChannel, Requester, requireSubscription } from '../connection/permissions';
import type { Subscription } from '../connection/subscription';
import { Tokens } from '../connection/tokens';

/** A connection whose metadata may change. */
export interface UmdHolder extends Requester {
  readonly allSubscriptions: readonly Subscription[];
  /** Gives the connection itself another identity. */
  changeIdentity(identity: Identity): void;
  /** Tells the client that one of several things could not be done. */
  complain(error: unknown, channel: string): void;
}

export interface UmdRequest {
  /** May be an alias; absent: the connection's own metadata. */
  readonly channel?: string;
  readonly token: string;
}

/** Changes of user metadata while a connection lives (channels-presence-storage §7). The uid never changes. */
@Injectable()
export class UmdUpdates {
  constructor(
    private readonly tokens: Tokens,
    private readonly ingest: IngestPublisher,
  ) {}

  /**
   * @throws ProtocolError `INVALID_UMD_TOKEN`, `UMD_UPDATE_PERMISSION_DENIED`, `NOT_SUBSCRIBED`,
   *   `PRESENCE_CHANNEL_CAPACITY_REACHED`; nothing has changed then
   * @throws OutageError when it may be asked for again
   */
  async update(holder: UmdHolder, { channel, token }: UmdRequest): Promise<void> {
    const claims = await this.verify(token, holder);
    if (channel === undefined) return this.updateConnection(holder, claims);
    await this.updateSubscription(holder, realChannel(channel, holder), claims);
  }

  private async verify(token: string, holder: Requester): Promise<Claims> {
    try {
      const claims = await this.tokens.verify(token, 'umd', holder);
      checkConnectionBinding(claims, { connectionId: holder.id, uid: holder.identity.uid });
      return claims;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      throw new ProtocolError('INVALID_UMD_TOKEN', `token: ${error.message}`);
    }
  }

  private async updateSubscription(holder: UmdHolder, channel: string, claims: Claims): Promise<void> {
    if (!new Grants(claims, undefined, holder).umdUpdate(channel))
      throw denied(`channel: the token does not grant it for ${channel}`);
    const subscription = requireSubscription(channel, holder);
    await this.consume(claims);
    await this.change(subscription, claims.umdJson);
  }

  private async updateConnection(holder: UmdHolder, claims: Claims): Promise<void> {
    if (!claims.umdUpdate) throw denied('token: it does not grant it for the connection');
    await this.consume(claims);
    const { umdJson } = claims;
    if (!sameJson(holder.identity.umdJson, umdJson)) holder.changeIdentity({ ...holder.identity, umdJson });
    if (!claims.umdPropagate) return;
    await Promise.all(
      holder.allSubscriptions.map((subscription) =>
        this.change(subscription, umdJson).catch((error: unknown) => holder.complain(error, subscription.channel.name)),
      ),
    );
  }

  /** A presence channel may have no room for it, so its owner is asked first. */
  private async change(subscription: Subscription, umdJson: string): Promise<void> {
    const { channel, connectionId } = subscription;
    if (isPresenceChannel(channel.name)) {
      await this.ingest.perform({ kind: 'umd', channel: channel.name, connectionId, umdJson });
    }
    subscription.identity = { ...subscription.identity, umdJson };
  }

  private async consume(claims: Claims): Promise<void> {
    if (await this.tokens.consume(claims)) return;
    throw new ProtocolError('INVALID_UMD_TOKEN', 'token: this single-use token has been used');
  }
}

function denied(why: string): ProtocolError {
  return new ProtocolError('UMD_UPDATE_PERMISSION_DENIED', why);
}
