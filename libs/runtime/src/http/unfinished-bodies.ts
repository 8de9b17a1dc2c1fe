/** What ends a request whose body has begun: it has no answer then. */
interface Unfinished {
  readonly socket: { destroy(): void };
}

/** Thirty of the largest batches at once, and many more than anybody has under way. */
const MOST_BYTES = 134_217_728;

/**
 * Bodies of requests of which the end has not come. Anybody may begin one at any door and leave it at that, before a credential
 * is looked at, and what has come of it is kept: so all together are bounded. When there is too much, the largest is
 * cut off: hardly anybody sends one as large, and who does sends it again.
 */
export class UnfinishedBodies {
  private readonly sizes = new Map<Unfinished, number>();
  private bytes = 0;

  constructor(private readonly mostBytes = MOST_BYTES) {}

  /** A piece of a body has come. */
  add(request: Unfinished, bytes: number): void {
    this.sizes.set(request, (this.sizes.get(request) ?? 0) + bytes);
    this.bytes += bytes;
    while (this.bytes > this.mostBytes) this.cutOffLargest();
  }

  /** All of it has come, or nothing more will. */
  end(request: Unfinished): void {
    this.bytes -= this.sizes.get(request) ?? 0;
    this.sizes.delete(request);
  }

  private cutOffLargest(): void {
    let [largest, most]: [Unfinished | undefined, number] = [undefined, 0];
    for (const [request, bytes] of this.sizes) if (bytes > most) [largest, most] = [request, bytes];
    if (largest === undefined) return void (this.bytes = 0);
    this.end(largest);
    largest.socket.destroy();
  }
}
