/** Ids of a channel that reached its handlers lately. They are kept as a set, because ids are no order. */
export class Seen {
  private readonly ids = new Set<string>();

  constructor(private readonly max = 2_048) {}

  /** @returns false when it was there already */
  add(id: string): boolean {
    if (this.ids.has(id)) return false;
    this.ids.add(id);
    if (this.ids.size > this.max) {
      const [oldest = ''] = this.ids;
      this.ids.delete(oldest);
    }
    return true;
  }
}
