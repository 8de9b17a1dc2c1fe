/**
 * Work that many ask for at the same moment, such as a read for thousands of clients that come back at once. Whoever
 * asks gets the outcome of a run that begins after it asked; all who ask while a run is under way share the next one.
 */
export class SharedRuns<T> {
  private readonly latest = new Map<string, Run<T>>();

  /** @param key what is asked for; `work` does the same for everybody who asks for it */
  run(key: string, work: () => Promise<T>): Promise<T> {
    const latest = this.latest.get(key);
    if (latest === undefined) return this.begin(key, work);
    const beginNext = () => this.begin(key, work);
    return (latest.next ??= latest.outcome.then(beginNext, beginNext));
  }

  private begin(key: string, work: () => Promise<T>): Promise<T> {
    const run: Run<T> = { outcome: work() };
    this.latest.set(key, run);
    const ended = () => {
      if (run.next === undefined) this.latest.delete(key);
    };
    run.outcome.then(ended, ended);
    return run.outcome;
  }
}

interface Run<T> {
  readonly outcome: Promise<T>;
  next?: Promise<T>;
}
