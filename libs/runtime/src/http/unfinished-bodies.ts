/** Thirty of the largest batches at once, and many more than anybody has under way. */
const MOST_BYTES = 134_217_728;

/**
 * Bodies of requests, or messages, of which the end has not come. Anybody may begin one at any door and leave it at that, before
 * a credential is looked at, and what has come of it is kept: so all together are bounded. When there is too much, the
 * largest is cut off: hardly anybody sends one as large, and who does sends it again.
 */
export class UnfinishedBodies<Sender extends object> {
  private readonly sizes = new Map<Sender, number>();
  private bytes = 0;

  constructor(
    private readonly cutOff: (sender: Sender) => void,
    private readonly mostBytes = MOST_BYTES,
  ) {}

  /** A piece of a body has come. */
  add(sender: Sender, bytes: number): void {
    this.set(sender, (this.sizes.get(sender) ?? 0) + bytes);
  }

  /** So much of a body is here. */
  set(sender: Sender, bytes: number): void {
    this.bytes += bytes - (this.sizes.get(sender) ?? 0);
    this.sizes.set(sender, bytes);
    while (this.bytes > this.mostBytes) this.cutOffLargest();
  }

  /** All of it has come, or nothing more will. */
  end(sender: Sender): void {
    this.bytes -= this.sizes.get(sender) ?? 0;
    this.sizes.delete(sender);
  }

  private cutOffLargest(): void {
    let [largest, most]: [Sender | undefined, number] = [undefined, 0];
    for (const [sender, bytes] of this.sizes) if (bytes > most) [largest, most] = [sender, bytes];
    if (largest === undefined) return void (this.bytes = 0);
    this.end(largest);
    this.cutOff(largest);
  }
}
