import type { IngestPublisher } from '@hearth/stream';
import { SharedRuns } from '../channel/shared-runs';

/** Barriers in partitions; all that are asked for while one is under way share the next. */
export class Barriers {
  private readonly runs = new SharedRuns<void>();

  constructor(private readonly ingest: Pick<IngestPublisher, 'perform'>) {}

  /**
   * Resolves once everything that the partition's stream holds now can be read from Postgres, and its backend events are
   * out.
   *
   * @throws StreamUnavailableError when that takes too long
   */
  pass(partition: number): Promise<void> {
    return this.runs.run(String(partition), () => this.ingest.perform({ kind: 'barrier', partition }));
  }
}
