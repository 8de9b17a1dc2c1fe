/** What every page of a list says besides its items. */
export interface Page {
  /** What `after` is for the page behind this one; `null` when this is the last. */
  readonly next: string | null;
}

export interface PageOptions {
  /** Items of one page, 1 to 1000; 100 when not given. */
  limit?: number;
  /** Only what comes behind it. */
  after?: string;
}

/**
 * A list that is asked for page by page: `for await` goes through all of it, `page()` gives one. What exists all the while
 * comes exactly once.
 */
export class Listing<Item, OnePage extends Page> implements AsyncIterable<Item> {
  constructor(
    private readonly load: (options: PageOptions) => Promise<OnePage>,
    private readonly itemsOf: (page: OnePage) => readonly Item[],
  ) {}

  /** One page, the first unless `after` says otherwise. Throws as the call that gave the list. */
  page(options: PageOptions = {}): Promise<OnePage> {
    return this.load(options);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Item> {
    let after: string | undefined;
    do {
      const page: OnePage = await this.load({ after });
      yield* this.itemsOf(page);
      after = page.next ?? undefined;
    } while (after !== undefined);
  }
}
