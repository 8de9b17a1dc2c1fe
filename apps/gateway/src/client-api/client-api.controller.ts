import { Controller, UseFilters } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { Attendance } from '../attendance/attendance';
import { ClientPublish } from '../commands/client-publish';
import { ClientReactions } from '../commands/client-reactions';
import { realChannel, requireGetInfo, requireSubscription, visibleSinceMs } from '../connection/permissions';
import { UmdUpdates } from '../commands/umd-updates';
import { CallOf, KeepErrors, ReplyTo } from './gateway-rpc.strategy';

/** What the client HTTP API asks about a connection of this gateway (client-http-api §3, §4). */
@Controller()
@UseFilters(KeepErrors)
export class ClientApiController {
  constructor(
    private readonly publishing: ClientPublish,
    private readonly reactions: ClientReactions,
    private readonly umd: UmdUpdates,
    private readonly attendance: Attendance,
  ) {}

  /** Which channel is meant, and how far back its history is visible. */
  @MessagePattern('listMessages')
  listMessages({ connection, request }: CallOf<'listMessages'>): ReplyTo<'listMessages'> {
    const channel = realChannel(request.channel, connection);
    return { channel, sinceMs: visibleSinceMs(channel, connection) };
  }

  /** Publishes as the connection; answers once the message is accepted. */
  @MessagePattern('publishMessage')
  async publishMessage({ connection, request }: CallOf<'publishMessage'>): Promise<ReplyTo<'publishMessage'>> {
    const { sourceIp, userAgent, eagerIdGeneration } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    await this.publishing.admit(connection, request);
    const { accepted, ...answer } = this.publishing.publish(connection, request, origin, eagerIdGeneration);
    await accepted;
    return answer;
  }

  /** Reacts as the connection; answers once that can be read. */
  @MessagePattern('react')
  async react({ connection, request }: CallOf<'react'>): Promise<ReplyTo<'react'>> {
    const { sourceIp, userAgent } = request;
    const origin = { trigger: 'client.http', sourceIp, userAgent } as const;
    const { channel, accepted } = await this.reactions.react(connection, request, origin);
    await accepted;
    return { channel };
  }

  /** Which channel's messages the connection may ask about, and how far back. Needs the subscription (§5). */
  @MessagePattern('listReactions')
  async listReactions({ connection, request }: CallOf<'listReactions'>): Promise<ReplyTo<'listReactions'>> {
    const channel = realChannel(request.channel, connection);
    requireSubscription(channel, connection);
    const sinceMs = visibleSinceMs(channel, connection);
    await this.attendance.upToDate(channel);
    return { channel, sinceMs };
  }

  /** Which channel is meant; answers once everything that was accepted before can be read from Postgres. */
  @MessagePattern('getChannelInfo')
  async getChannelInfo({ connection, request }: CallOf<'getChannelInfo'>): Promise<ReplyTo<'getChannelInfo'>> {
    const channel = realChannel(request.channel, connection);
    requireGetInfo(channel, connection);
    await this.attendance.upToDate(channel);
    return { channel };
  }

  /** Changes user metadata of the connection or of one of its subscriptions. */
  @MessagePattern('umdUpdate')
  async umdUpdate({ connection, request }: CallOf<'umdUpdate'>): Promise<ReplyTo<'umdUpdate'>> {
    await this.umd.update(connection, request);
    return {};
  }
}
