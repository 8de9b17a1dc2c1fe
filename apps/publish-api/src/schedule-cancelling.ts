import { Inject, Injectable } from '@nestjs/common';
import { ProtocolError } from '@hearth/protocol';
import { partitionOfSchedule, scheduleIdOf } from '@hearth/wire';
import { CONFIG, HearthConfig } from '@hearth/runtime';
import { IngestPublisher, StreamUnavailableError } from '@hearth/stream';
import { INGEST } from './publisher';

/** Takes schedules back (publish-api §7). */
@Injectable()
export class ScheduleCancelling {
  constructor(
    @Inject(INGEST) private readonly ingest: IngestPublisher,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'partitions'>,
  ) {}

  /**
   * @param nameOrArn as the answer to the publish said
   * @returns when it is sure not to fire
   * @throws ProtocolError `NOT_FOUND` when there is none, or its time has come; `SERVICE_UNAVAILABLE`
   */
  async cancel(nameOrArn: string): Promise<void> {
    const scheduleId = scheduleIdOf(nameOrArn);
    const partition = partitionOfSchedule(scheduleId, this.config.partitions);
    if (partition === undefined) throw new ProtocolError('NOT_FOUND', 'there is no such schedule');
    try {
      await this.ingest.perform({ kind: 'cancel', partition, scheduleId });
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) throw error;
      throw new ProtocolError('SERVICE_UNAVAILABLE', `it may still fire, try again: ${error.message}`, {
        cause: error,
      });
    }
  }
}
