import type { ReportKey, ReportRow, RowChange } from './rows';

/**
 * The last report of subscriptions that was applied, by gateway. There are few, so all of a partition are learned before
 * anything is applied, and none is forgotten before its gateway is dead: applying a report never waits for the database.
 */
export class ReportTable {
  private readonly last = new Map<number, ReportRow>();
  private changed = new Map<string, RowChange<ReportKey, ReportRow>>();

  /** @param rows all of the partition in the database */
  learn(rows: readonly ReportRow[]): void {
    for (const row of rows) this.last.set(row.gatewayId, row);
  }

  /**
   * Notes that a report is being applied.
   *
   * @returns false when it, or a later one of the same run, has been applied before
   */
  note(report: ReportRow): boolean {
    const last = this.last.get(report.gatewayId);
    if (last?.run === report.run && report.number <= last.number) return false;
    this.last.set(report.gatewayId, report);
    this.changed.set(String(report.gatewayId), { key: report, row: report });
    return true;
  }

  /** The gateway is dead. */
  drop(key: ReportKey): void {
    this.last.delete(key.gatewayId);
    this.changed.set(String(key.gatewayId), { key, row: undefined });
  }

  /** What changed since the last call. */
  takeChanges(): Map<string, RowChange<ReportKey, ReportRow>> {
    const { changed } = this;
    this.changed = new Map();
    return changed;
  }
}
