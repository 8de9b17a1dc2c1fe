import { setTimeout as delay } from 'node:timers/promises';
import { memoryStore, type HearthClient, type Store } from '@hearth/client';
import { generator } from '../reliability/random';

/** What a run found (client-library §11, vector 25). */
export interface Verdict {
  /** Messages that were not given, and no gap told of them. */
  missed: number;
  doubled: number;
  inverted: number;
  /** So that a run that did nothing is noticed. */
  readonly given: number;
  readonly faults: Readonly<Record<string, number>>;
}

export interface Model {
  readonly seed: number;
  readonly seconds: number;
  readonly channels: readonly string[];
  /** A client of the model's user, on a page of its own. */
  newClient(resumeStore: Store): HearthClient;
  /** Publishes numbers to each channel, in their order. */
  publish(channel: string, from: number, count: number): Promise<void>;
  /** What can go wrong, by name. */
  readonly faults: Readonly<Record<string, () => Promise<void> | void>>;
}

/** `killed`: the page was opened anew with what its store had by then, which may be a moment behind. */
type Heard = number | 'gap' | 'killed';

/** One who looks at all channels: a page that is reloaded now and then, with what its store kept. */
class Page {
  readonly heard = new Map<string, Heard[]>();
  private readonly store = memoryStore();
  private life = { isOver: false };
  private client: HearthClient;

  constructor(private readonly model: Model) {
    for (const name of model.channels) this.heard.set(name, []);
    this.client = this.open();
  }

  ready(): Promise<unknown> {
    return Promise.all(this.model.channels.map((name) => this.client.channel(name).ready()));
  }

  /** Leaves the page in good order, and opens it again. */
  reload(): void {
    this.client.suspend();
    this.client = this.open();
  }

  /** Ends the page without a word, as a browser does that is killed. */
  kill(): void {
    this.life.isOver = true;
    this.client.terminate();
    for (const heard of this.heard.values()) heard.push('killed');
    this.client = this.open();
  }

  async sleep(ms: number): Promise<void> {
    const { client } = this;
    client.suspend();
    await delay(ms);
    client.resume();
  }

  close(): void {
    this.client.terminate();
  }

  private open(): HearthClient {
    const life = (this.life = { isOver: false });
    const client = this.model.newClient({
      get: (key) => this.store.get(key),
      set: (key, value) => (life.isOver ? undefined : this.store.set(key, value)),
    });
    for (const [name, heard] of this.heard) {
      const channel = client.channel(name);
      const hear = (one: Heard) => (life.isOver ? undefined : heard.push(one));
      channel.onGap(() => hear('gap'));
      channel.on('e', ({ data }) => hear(data as number));
    }
    return client;
  }
}

/** Compares what a handler heard with the numbers that were published. */
export function judge(heard: readonly Heard[], published: number): Pick<Verdict, 'missed' | 'doubled' | 'inverted'> {
  const verdict = { missed: 0, doubled: 0, inverted: 0 };
  const seen = new Set<number>();
  let last = 0;
  let isTold = false;
  let isNew = false;
  for (const one of heard) {
    if (one === 'gap') {
      isTold = true;
      continue;
    }
    if (one === 'killed') {
      isNew = true;
      continue;
    }
    // A page that was killed may be given again what it was given, from some message on; it misses nothing by that.
    if (isNew && one <= last) {
      for (const old of seen) if (old >= one) seen.delete(old);
      last = one - 1;
    }
    isNew = false;
    if (seen.has(one)) verdict.doubled++;
    else if (one < last) verdict.inverted++;
    else if (one > last + 1 && !isTold) verdict.missed += one - last - 1;
    seen.add(one);
    last = Math.max(last, one);
    isTold = false;
  }
  if (!isTold) verdict.missed += published - last;
  return verdict;
}

/** Publishes all the while, breaks something at random, and compares in the end. */
export async function runModel(model: Model, caughtUp: (check: () => void) => Promise<void>): Promise<Verdict> {
  const random = generator(model.seed);
  const pages = [new Page(model), new Page(model)];
  await Promise.all(pages.map((page) => page.ready()));
  // Before its store has anything, a page that is killed begins anew.
  await delay(1_000);
  const faults: Record<string, () => Promise<void> | void> = {
    ...model.faults,
    reload: () => pages[Math.floor(random() * pages.length)]?.reload(),
    killPage: () => pages[Math.floor(random() * pages.length)]?.kill(),
    sleep: () => pages[Math.floor(random() * pages.length)]?.sleep(random() * 800),
  };
  const names = Object.keys(faults);
  const counts: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
  const published = new Map(model.channels.map((name) => [name, 0]));
  const end = Date.now() + model.seconds * 1_000;
  const publishing = (async () => {
    while (Date.now() < end) {
      for (const [name, count] of published) {
        await model.publish(name, count + 1, 3);
        published.set(name, count + 3);
      }
      await delay(20);
    }
  })();
  while (Date.now() < end) {
    const name = names[Math.floor(random() * names.length)] ?? 'reload';
    counts[name] = (counts[name] ?? 0) + 1;
    await faults[name]?.();
    await delay(random() * 400);
  }
  await publishing;
  try {
    await caughtUp(() => {
      for (const page of pages)
        for (const [name, heard] of page.heard) {
          if (heard.at(-1) !== published.get(name))
            throw new Error(`${name}: ${heard.at(-1)} of ${published.get(name)}`);
        }
    });
  } finally {
    for (const page of pages) page.close();
  }
  const verdicts = pages.flatMap((page) =>
    [...page.heard].map(([name, heard]) => judge(heard, published.get(name) ?? 0)),
  );
  const sum = (key: 'missed' | 'doubled' | 'inverted') => verdicts.reduce((total, verdict) => total + verdict[key], 0);
  const given = pages.reduce(
    (total, page) => total + [...page.heard.values()].flat().filter((one) => typeof one === 'number').length,
    0,
  );
  return { missed: sum('missed'), doubled: sum('doubled'), inverted: sum('inverted'), given, faults: counts };
}
