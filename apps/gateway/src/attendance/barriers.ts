import { setTimeout as delay } from 'node:timers/promises';
import { IngestPublisher } from '@hearth/stream';
import type { OperationOf } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { SharedRuns } from '../channel/shared-runs';

const RETRY_MS = 250;

/** Barriers in partitions; all that are asked for while one is under way share the next. */
@Injectable()
export class Barriers {
  private readonly runs = new SharedRuns<void>();
  private isClosed = false;

  constructor(private readonly ingest: IngestPublisher) {}

  /**
   * Resolves once everything that the partition's stream holds now can be read from Postgres.
   *
   * @throws StreamUnavailableError when that takes too long
   */
  pass(partition: number): Promise<void> {
    return this.runs.run(String(partition), () => this.ingest.perform({ kind: 'barrier', partition }));
  }

  /**
   * Resolves once the stream of events holds those of everything that the partition's stream holds now, however long that
   * takes.
   *
   * @param unsaved what the operations changed need not be in Postgres yet
   */
  eventsTold(partition: number, { unsaved }: { readonly unsaved?: boolean } = {}): Promise<void> {
    const key = `events ${partition} ${unsaved === true}`;
    return this.runs.run(key, () => this.passAtLast({ kind: 'barrier', partition, events: true, unsaved }));
  }

  /** Nobody waits any more. */
  close(): void {
    this.isClosed = true;
  }

  private async passAtLast(barrier: OperationOf<'barrier'>): Promise<void> {
    while (!this.isClosed) {
      try {
        return await this.ingest.perform(barrier);
      } catch {
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
