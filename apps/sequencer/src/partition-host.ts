import type { ChannelRules } from '@hearth/channels';
import { HearthConfig, ReloadableSettings } from '@hearth/config';
import { CONFIG, Logger, LOGGER, Metrics } from '@hearth/runtime';
import { Database } from '@hearth/store';
import { AckedPublisher, EventPublisher, IngestPublisher, StreamConnection } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import { EndNotes } from './end-notes';
import { GroupCommit } from './group-commit';
import { StreamClock } from './stream-clock';

/** What surrounds the lists in what tells of a join. */
const JOIN_BYTES = 65_536;

/** The sequencer as its partition workers see it. */
@Injectable()
export class PartitionHost {
  readonly channelRules: ChannelRules;

  constructor(
    readonly stream: StreamConnection,
    /** Fan-out to the gateways. */
    readonly publisher: AckedPublisher,
    readonly events: EventPublisher,
    /** For operations that the sequencer itself asks for. */
    readonly ingest: IngestPublisher,
    readonly database: Database,
    readonly groupCommit: GroupCommit,
    readonly endNotes: EndNotes,
    readonly streamClock: StreamClock,
    readonly reloadable: ReloadableSettings,
    readonly metrics: Metrics,
    @Inject(CONFIG) readonly config: HearthConfig,
    @Inject(LOGGER) readonly logger: Logger,
  ) {
    // What tells of a join has the list twice, for who joins and for the others, and must be one message.
    const largestList = Math.floor((stream.maxPayload - JOIN_BYTES) / 2);
    this.channelRules = {
      presenceMaxBytes: Math.min(config.presenceMaxBytes, largestList),
      maxMembers: config.limitChannelMembers,
    };
  }
}
