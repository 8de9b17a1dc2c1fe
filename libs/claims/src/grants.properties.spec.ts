import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Grants } from './grants';
import { compiled } from './testing/signed-tokens';

/**
 * A second evaluator of tokens-and-claims §5, written from the text alone: over the raw claims, one rule at a time,
 * without tables, ranks or memory. Random claims and operations must get the same answer from both.
 */

type Raw = Record<string, Record<string, unknown> | undefined>;

const expressions = new Map<string, RegExp>();

function fits(key: string, name: string): boolean {
  const expression = expressions.get(key) ?? expressionOf(key);
  expressions.set(key, expression);
  return expression.test(name);
}

function expressionOf(key: string): RegExp {
  if (key.startsWith('#regex:')) return new RegExp(key.slice('#regex:'.length), 'u');
  const pieces = key.split('*').map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${pieces.join('.*')}$`, 'su');
}

interface Fitting {
  readonly entry: Readonly<Record<string, unknown>>;
  readonly exactChannel: boolean;
  readonly exactInner: boolean;
}

type Found = Omit<Fitting, 'entry'> & { readonly value: unknown };

/** Every entry that fits; `inner` is `messages` or `storage` and the name looked up. */
function fitting(raw: Raw, channel: string, inner?: [string, string]): Fitting[] {
  const found: Fitting[] = [];
  for (const key of Object.keys(raw)) {
    if (!fits(key, channel)) continue;
    const entry = raw[key] ?? {};
    const exactChannel = key === channel;
    if (inner === undefined) {
      found.push({ entry, exactChannel, exactInner: true });
      continue;
    }
    const table = (entry[inner[0]] ?? {}) as Raw;
    for (const innerKey of Object.keys(table)) {
      if (!fits(innerKey, inner[1])) continue;
      found.push({ entry: table[innerKey] ?? {}, exactChannel, exactInner: innerKey === inner[1] });
    }
  }
  return found;
}

/** Every value that they give to a directive. */
function collect(entries: readonly Fitting[], directive: string): Found[] {
  const found: Found[] = [];
  for (const { entry, exactChannel, exactInner } of entries) {
    const value = entry[directive];
    if (value != null) found.push({ value, exactChannel, exactInner });
  }
  return found;
}

function boolean(found: Found[]): boolean | undefined {
  const values = found.map(({ value }) => value);
  if (values.includes(false)) return false;
  if (values.includes(true)) return true;
  return undefined;
}

/** `better` sorts the most permissive value first. */
function number(found: Found[], better: (a: number, b: number) => number): number | undefined {
  const ranks: ((one: Found) => boolean)[] = [
    (one) => one.exactChannel && one.exactInner,
    (one) => !one.exactChannel && one.exactInner,
    (one) => one.exactChannel && !one.exactInner,
    () => true,
  ];
  for (const isOfRank of ranks) {
    const values = found.filter(isOfRank).map(({ value }) => value as number);
    if (values.length > 0) return values.sort(better)[0];
  }
  return undefined;
}

const longest = (a: number, b: number): number => (b === -1 ? Infinity : b) - (a === -1 ? Infinity : a) || 0;
const latest = (a: number, b: number): number => b - a;
const earliest = (a: number, b: number): number => a - b;

/** What both tokens say, as lists of what fits. */
class Both {
  constructor(
    private readonly connect: readonly Fitting[],
    private readonly subscribe: readonly Fitting[],
  ) {}

  values(directive: string): Found[] {
    return [...collect(this.connect, directive), ...collect(this.subscribe, directive)];
  }

  boolean(directive: string): boolean | undefined {
    return boolean(this.values(directive));
  }

  number(directive: string, better: (a: number, b: number) => number): number | undefined {
    const own = number(collect(this.subscribe, directive), better);
    return own === undefined ? number(collect(this.connect, directive), better) : own;
  }

  /** The table of §5.4, for who is subscribed and for who is not. */
  decisions(): readonly [subscribed: string, not: string] {
    const table: Record<string, [subscribed: string, not: string]> = {
      'true true': ['allow', 'allow'],
      'true false': ['allow', 'NOT_SUBSCRIBED'],
      'true undefined': ['allow', 'NOT_SUBSCRIBED'],
      'undefined true': ['allow', 'allow'],
    };
    const broadcast = boolean(collect(this.connect, 'broadcast'));
    const denied = 'PUBLISH_PERMISSION_DENIED';
    return table[`${this.boolean('publish')} ${broadcast}`] ?? [denied, denied];
  }

  react(): unknown {
    if (this.values('react').some(({ value }) => value === false)) return false;
    for (const entries of [this.subscribe, this.connect]) {
      const values = collect(entries, 'react').map(({ value }) => value);
      if (values.includes(true)) return true;
      if (values.length > 0) return [...new Set(values.flat())].sort();
    }
    return false;
  }
}

class NaiveEvaluator {
  constructor(
    private readonly connect: Raw,
    private readonly subscribe: Raw | undefined,
  ) {}

  private both(channel: string, inner?: [string, string]): Both {
    return new Both(fitting(this.connect, channel, inner), fitting(this.subscribe ?? {}, channel, inner));
  }

  channel(channel: string): unknown {
    const both = this.both(channel);
    const auto = Object.hasOwn(this.connect, channel) && this.connect[channel]?.autoSubscribe === true;
    return {
      canSubscribe: both.boolean('subscribe') ?? auto,
      getInfo: both.boolean('getInfo') ?? false,
      omitFromSubCount: both.boolean('omitFromSubCount') ?? false,
      umdUpdate: both.boolean('umdUpdate') ?? false,
      historyStart: both.number('historyStart', earliest),
    };
  }

  message(channel: string, event: string): unknown {
    const both = this.both(channel, ['messages', event]);
    const [subscribed, notSubscribed] = both.decisions();
    return {
      subscribed,
      notSubscribed,
      echo: both.boolean('echo') ?? false,
      emitPubSubEvent: both.boolean('emitPubSubEvent') ?? false,
      store: both.number('store', longest) ?? 0,
      scheduleBefore: both.number('scheduleBefore', latest),
      react: both.react(),
    };
  }

  storage(channel: string, key: string): unknown {
    const both = this.both(channel, ['storage', key]);
    return {
      observe: both.boolean('observe') ?? false,
      get: both.boolean('get') ?? false,
      set: both.boolean('set') ?? false,
      emitPubSubEvent: both.boolean('emitPubSubEvent') ?? false,
      store: both.number('store', longest) ?? -1,
      scheduleBefore: both.number('scheduleBefore', latest),
    };
  }
}

const NAMES = ['a', 'b', 'ab', 'a.b', '__proto__', 'constructor'];
const PATTERNS = [
  '*',
  'a*',
  '*b',
  'a*b',
  '*.*',
  '#regex:^a',
  '#regex:b$',
  '#regex:^[a-z]{2}$',
  '#regex:\\.',
  '#regex:o',
];

const flag = fc.constantFrom(true, true, true, false, null);
const seconds = fc.constantFrom(0, 1, 5, 60, -1, null);
const date = fc.constantFrom(0, 100, 100.5, 200, null);

function optional<T>(values: Record<string, fc.Arbitrary<T>>): fc.Arbitrary<Partial<Record<string, T>>> {
  return fc.record(values, { requiredKeys: [] });
}

function keyed(names: string[], entry: fc.Arbitrary<object>): fc.Arbitrary<Raw> {
  const key = fc.oneof(fc.constantFrom(...names), fc.constantFrom(...PATTERNS));
  const pairs = fc.uniqueArray(fc.tuple(key, entry), { maxLength: 4, selector: ([name]) => name });
  // `JSON.parse` makes `__proto__` a member like any other; an object literal would not.
  return pairs.map((entries) =>
    JSON.parse(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`),
  );
}

const message = optional<unknown>({
  publish: flag,
  broadcast: flag,
  echo: flag,
  emitPubSubEvent: flag,
  store: seconds,
  scheduleBefore: date,
  react: fc.oneof(flag, fc.subarray(['x', 'y', 'z'])),
});
const storage = optional<unknown>({
  observe: flag,
  get: flag,
  set: flag,
  emitPubSubEvent: flag,
  store: fc.constantFrom(1, 5, 60, -1, null),
  scheduleBefore: date,
});
const channel = optional<unknown>({
  subscribe: flag,
  getInfo: flag,
  omitFromSubCount: flag,
  umdUpdate: flag,
  historyStart: date,
  messages: keyed(NAMES, message),
  storage: keyed(NAMES, storage),
});
const channels = fc.tuple(keyed(NAMES, channel), fc.subarray(NAMES)).map(([raw, auto]): Raw => {
  for (const name of auto) if (Object.hasOwn(raw, name)) Object.assign(raw[name] ?? {}, { autoSubscribe: true });
  return raw;
});

function answers(grants: Grants, name: string, inner: string): object {
  const react = grants.react(name, inner);
  return {
    channel: {
      canSubscribe: grants.canSubscribe(name),
      getInfo: grants.getInfo(name),
      omitFromSubCount: grants.omitFromSubCount(name),
      umdUpdate: grants.umdUpdate(name),
      historyStart: grants.historyStart(name),
    },
    message: {
      subscribed: grants.publishDecision(name, inner, true),
      notSubscribed: grants.publishDecision(name, inner, false),
      ...grants.messageDirectives(name, inner),
      react: typeof react === 'boolean' ? react : [...react].sort(),
    },
    storage: grants.storage(name, inner),
  };
}

/** What `answers` asks about a channel, and about an event or key in it. */
const CHANNEL_QUESTIONS = 5;
const INNER_QUESTIONS = 13;

describe('the evaluator of claims', () => {
  it('answers as the naive one does to a million random questions', async () => {
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(channels, fc.option(channels, { nil: undefined }), async (connect, subscribe) => {
        const connectClaims = await compiled({ uid: 'u1', channels: connect });
        const grants =
          subscribe === undefined
            ? new Grants(connectClaims)
            : new Grants(connectClaims, await compiled({ uid: 'u1', channels: subscribe }, 'subscribe'));
        const naive = new NaiveEvaluator(connect, subscribe);
        for (const name of NAMES) {
          asked += CHANNEL_QUESTIONS;
          const ofChannel = naive.channel(name);
          for (const inner of NAMES) {
            asked += INNER_QUESTIONS;
            const actual = answers(grants, name, inner);
            const expected = {
              channel: ofChannel,
              message: naive.message(name, inner),
              storage: naive.storage(name, inner),
            };
            // jest's own comparison is slow; it only has to explain a difference.
            if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
          }
        }
      }),
      { numRuns: 2_050 },
    );
    expect(asked).toBeGreaterThanOrEqual(1_000_000);
  });

  it('lets an explicit false win, wherever it stands among the keys', async () => {
    const grant = { subscribe: true, messages: { '*': { publish: true, broadcast: true } } };
    const refusal = { subscribe: false, messages: { '*': { publish: false } } };
    const keys = fc.uniqueArray(fc.constantFrom('a.b', '*', 'a*', '*b', '#regex:^a', '#regex:b$'), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(keys, fc.nat(), fc.boolean(), async (matching, pick, inSubscribeToken) => {
        const refusing = matching[pick % matching.length];
        const all = Object.fromEntries(matching.map((key) => [key, key === refusing ? refusal : grant]));
        const granted = Object.fromEntries(matching.map((key) => [key, grant]));
        const connect = await compiled({ channels: inSubscribeToken ? granted : all });
        const subscribe = await compiled({ channels: inSubscribeToken ? all : granted }, 'subscribe');
        const grants = new Grants(connect, subscribe);
        expect(grants.canSubscribe('a.b')).toBe(false);
        expect(grants.publishDecision('a.b', 'e', true)).toBe('PUBLISH_PERMISSION_DENIED');
      }),
      { numRuns: 500 },
    );
  });
});
