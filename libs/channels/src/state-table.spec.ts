import fc from 'fast-check';
import type { RowChange } from './rows';
import { StateTable } from './state-table';

interface Key {
  readonly channel: string;
  readonly id: string;
}
interface Row extends Key {
  readonly value: number;
}

const textOf = ({ channel, id }: Key): string => `${channel}\n${id}`;
const channelOf = ({ channel }: Pick<Key, 'channel'>): string => channel;
const keys = ['a', 'b'].flatMap((channel) => ['1', '2', '3'].map((id): Key => ({ channel, id })));

/** What Postgres would hold: only what was saved. */
class Saved {
  readonly rows = new Map<string, Row>();

  write(changes: ReadonlyMap<string, RowChange<Key, Row>>): void {
    for (const [text, { row }] of changes) {
      if (row === undefined) this.rows.delete(text);
      else this.rows.set(text, row);
    }
  }
}

/** One step: set or remove some rows, then perhaps save what happened up to some batch. */
const steps = fc.array(
  fc.record({
    writes: fc.array(fc.record({ key: fc.constantFrom(...keys), value: fc.option(fc.nat({ max: 9 })) }), {
      maxLength: 4,
    }),
    saves: fc.nat({ max: 2 }),
  }),
  { maxLength: 30 },
);

describe.each([
  ['of single rows', (capacity: number) => new StateTable<Key, Row>(textOf, textOf, capacity), textOf],
  [
    'of groups of rows',
    (capacity: number) => new StateTable<Key, Row, Pick<Key, 'channel'>>(textOf, channelOf, capacity),
    channelOf,
  ],
])('a table %s', (_name, create, groupOf) => {
  it('knows what was written, however little it may remember and however late that is saved', () => {
    fc.assert(
      fc.property(steps, fc.nat({ max: 2 }), (all, capacity) => {
        const table = create(capacity);
        const saved = new Saved();
        const truth = new Map<string, Row>();
        const unsaved: ReadonlyMap<string, RowChange<Key, Row>>[] = [];
        for (const { writes, saves } of all) {
          for (const { key, value } of writes) {
            const missing = (table.missing([key]) as Key[]).map(groupOf);
            table.learn(
              missing.length === 0 ? [] : [key],
              [...saved.rows.values()].filter((row) => missing.includes(groupOf(row))),
            );
            expect(table.get(key)).toEqual(truth.get(textOf(key)));
            if (value === null) {
              table.drop(key);
              truth.delete(textOf(key));
            } else {
              table.put({ ...key, value });
              truth.set(textOf(key), { ...key, value });
            }
            expect(table.get(key)).toEqual(truth.get(textOf(key)));
          }
          unsaved.push(table.takeChanges());
          // As the worker does: what piled up is saved together, of each row the last change.
          const together = new Map(unsaved.splice(0, saves).flatMap((changes) => [...changes]));
          saved.write(together);
          table.saved(together);
        }
        for (const changes of unsaved) saved.write(changes);
        expect(saved.rows).toEqual(truth);
      }),
    );
  });

  it('says that something was not loaded instead of taking it for absent', () => {
    expect(() => create(1).get({ channel: 'a', id: '1' })).toThrow('used before it was loaded');
  });
});
