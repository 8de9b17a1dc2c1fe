import type { LiveSettings, Logger, Metrics } from '@hearth/runtime';
import type { ChannelRules } from '@hearth/channels';
import type { AckedPublisher, EventPublisher, IngestPublisher, StreamConnection, StreamSettings } from '@hearth/stream';
import type { Database } from '@hearth/store';
import type { EndNotes } from './end-notes';
import type { GroupCommit } from './group-commit';

/** What every partition worker of a process shares. */
export interface SequencerParts {
  readonly processId: string;
  readonly stream: StreamConnection;
  readonly streamSettings: StreamSettings;
  /** Fan-out to the gateways. */
  readonly publisher: AckedPublisher;
  readonly events: EventPublisher;
  /** For operations that the sequencer itself asks for. */
  readonly ingest: IngestPublisher;
  readonly channelRules: ChannelRules;
  readonly database: Database;
  readonly groupCommit: GroupCommit;
  readonly endNotes: EndNotes;
  readonly clockToleranceMs: number;
  readonly live: Pick<LiveSettings, 'current'>;
  readonly metrics: Metrics;
  readonly logger: Logger;
}
