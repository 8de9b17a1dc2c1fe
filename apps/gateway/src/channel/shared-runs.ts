/**
 * Work that many ask for at the same moment, such as a read for thousands of clients that come back at once. Whoever
 * asks gets the outcome of a run that begins after it asked; all who ask while a run is under way share the next one.
 */
export class SharedRuns<T> {
  private readonly latest = new Map<string, Run<T>>();

  /**
   * @param key what is asked for; `work` does the same for everybody who asks for it, and is told how to find out whether
   *   anybody still does
   */
  run(key: string, work: Work<T>, isWanted: IsWanted = () => true): Promise<T> {
    const latest = this.latest.get(key);
    if (latest === undefined) return this.begin(key, work, [isWanted]);
    const askers: IsWanted[] = [];
    const beginNext = () => this.begin(key, work, askers);
    latest.next ??= { askers, outcome: latest.outcome.then(beginNext, beginNext) };
    latest.next.askers.push(isWanted);
    return latest.next.outcome;
  }

  private begin(key: string, work: Work<T>, askers: readonly IsWanted[]): Promise<T> {
    const run: Run<T> = { outcome: work(() => askers.some((isWanted) => isWanted())) };
    this.latest.set(key, run);
    const ended = () => {
      if (run.next === undefined) this.latest.delete(key);
    };
    run.outcome.then(ended, ended);
    return run.outcome;
  }
}

type IsWanted = () => boolean;
type Work<T> = (isWanted: IsWanted) => Promise<T>;

interface Run<T> {
  readonly outcome: Promise<T>;
  next?: { readonly askers: IsWanted[]; readonly outcome: Promise<T> };
}
