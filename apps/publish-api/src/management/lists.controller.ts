import { isPresenceChannel, ProtocolError, STORAGE_SET_EVENT, utcInstant } from '@hearth/protocol';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import { countMembers, Database, findSchedule, listSchedules, ParkedSchedule } from '@hearth/store';
import { ChannelSummary, IngestPublisher, Listed } from '@hearth/stream';
import { mergeParts, partitionOfSchedule, scheduleArn, scheduleIdOf } from '@hearth/wire';
import { Controller, Get, Inject, Param, Query, UseGuards } from '@nestjs/common';
import { ManagerGuard } from '../callers';
import { Gateways, noConnection } from './gateways';
import { channelsQuery, connectionsQuery, noQuery, pageOf, schedulesQuery } from './list-query';

type Parameters = Readonly<Record<string, unknown>>;

const keyOf = ({ key }: Listed): string => key;
const nameOf = ({ name }: ChannelSummary): string => name;

/** What there is: connections, channels, schedules (management-api §2). */
@Controller()
@UseGuards(ManagerGuard)
export class ListsController {
  constructor(
    private readonly gateways: Gateways,
    private readonly database: Database,
    private readonly ingest: IngestPublisher,
    @Inject(CONFIG) private readonly config: HearthConfig,
  ) {}

  @Get('connections')
  async connections(@Query() parameters: Parameters): Promise<string> {
    const query = connectionsQuery(parameters);
    const rollCall = this.gateways.rollCall();
    const answers = await rollCall.ask('listConnections', query);
    const parts = answers.map(({ part }) => part);
    const { items, next } = mergeParts(parts, keyOf, query.limit);
    const total = answers.reduce((sum, answer) => sum + answer.total, 0);
    return list('connections', items, { total, next, complete: rollCall.complete });
  }

  @Get('connections/:id')
  async connection(@Param('id') connectionId: string, @Query() parameters: Parameters): Promise<string> {
    noQuery(parameters);
    const subscriptions: Listed[] = [];
    for (let after = ''; ;) {
      const answer = await this.gateways.askOwner(connectionId, 'describeConnection', { connectionId, after });
      if (answer === null) throw noConnection();
      const { items, isCut } = answer.subscriptions;
      subscriptions.push(...items);
      after = items.at(-1)?.key ?? after;
      if (!isCut) return `${answer.json.slice(0, -1)},${list('subscriptions', subscriptions, {}).slice(1)}`;
    }
  }

  @Get('channels')
  async channels(@Query() parameters: Parameters): Promise<object> {
    const query = channelsQuery(parameters);
    const rollCall = this.gateways.rollCall();
    const parts = await rollCall.ask('listChannels', query);
    const { items, next } = mergeParts(parts, nameOf, query.limit, sumOf);
    const presence = items.map(nameOf).filter(isPresenceChannel);
    const members = await countMembers(this.database.db, presence);
    const channels = items.map((channel) =>
      isPresenceChannel(channel.name) ? { ...channel, membersCount: members.get(channel.name) ?? 0 } : channel,
    );
    return { channels, next, complete: rollCall.complete };
  }

  @Get('schedules')
  async schedules(@Query() parameters: Parameters): Promise<object> {
    const query = schedulesQuery(parameters);
    const { partitions } = this.config;
    // What was accepted before can be read behind these.
    const concerned =
      query.channel === undefined
        ? Array.from({ length: partitions }, (_, partition) => partition)
        : [this.ingest.partitionOf(query.channel)];
    await Promise.all(concerned.map((partition) => this.ingest.perform({ kind: 'barrier', partition })));
    const found = await listSchedules(this.database.db, { ...query, limit: query.limit + 1 });
    const { items: schedules, next } = pageOf(found, query.limit, (schedule) => this.describe(schedule));
    return { schedules, next };
  }

  /** @param name ULID or ARN */
  @Get('schedules/:name')
  async schedule(@Param('name') name: string, @Query() parameters: Parameters): Promise<string> {
    noQuery(parameters);
    const scheduleId = scheduleIdOf(name);
    const partition = partitionOfSchedule(scheduleId, this.config.partitions);
    if (partition !== undefined) {
      await this.ingest.perform({ kind: 'barrier', partition });
      const schedule = await findSchedule(this.database.db, scheduleId);
      if (schedule !== undefined) return this.describeWhole(schedule);
    }
    throw new ProtocolError('NOT_FOUND', 'there is no such schedule, or its time has come');
  }

  private describe({ scheduleId, dueMs, parked }: ParkedSchedule) {
    const { channel, event, trigger, meta, key } = parkedMessage(parked);
    return {
      id: scheduleId,
      scheduleArn: scheduleArn(this.config, scheduleId),
      channel,
      event,
      at: utcInstant(dueMs),
      trigger,
      uid: meta === undefined ? null : (JSON.parse(meta) as { uid: string | null }).uid,
      key,
    };
  }

  private describeWhole(schedule: ParkedSchedule): string {
    const head = JSON.stringify(this.describe(schedule));
    const { store } = parkedMessage(schedule.parked);
    // As it was written: a 20-digit number stays one.
    return `${head.slice(0, -1)},"data":${schedule.parked.data.toString('utf8')},"store":${store}}`;
  }
}

/** What fires, in the words of a publish request. */
function parkedMessage({ event, operation }: ParkedSchedule['parked']) {
  if (event !== undefined) return { ...event, key: null };
  if (operation.kind !== 'storage') throw new Error(`not to be scheduled: ${operation.kind}`);
  return { ...operation, event: STORAGE_SET_EVENT };
}

function sumOf(one: ChannelSummary, other: ChannelSummary): ChannelSummary {
  return {
    name: one.name,
    subscriptionsCount: one.subscriptionsCount + other.subscriptionsCount,
    connectionsCount: one.connectionsCount + other.connectionsCount,
  };
}

/** A JSON object with a list of JSON texts and further members. */
function list(name: string, items: readonly Listed[], more: object): string {
  const members = JSON.stringify(more).slice(1, -1);
  return `{"${name}":[${items.map(({ json }) => json).join(',')}]${members === '' ? '' : `,${members}`}}`;
}
