import type { Publication } from '@hearth/stream';
import type { BackendEvent } from '@hearth/wire';
import { EventOutbox } from './event-outbox';

/** An outbox whose events the stream does not take. */
function outboxWith(count: number) {
  const host = { reloadable: { current: { eventsEnabled: true } } };
  const outbox = new EventOutbox(host as never, 0);
  const offered = Array.from({ length: count }, (_, n) => ({
    event: { type: `t${n}`, dataJson: Buffer.from('1') } as unknown as BackendEvent,
    publication: { isOver: false } as Publication & { isOver: boolean },
  }));
  outbox.pass(offered);
  return { outbox, offered };
}

describe('events that could not be written, because Postgres was away', () => {
  it('are written under the numbers that they had, however often that failed', () => {
    const { outbox } = outboxWith(3);
    for (let n = 0; n < 100; n++) outbox.putBack(outbox.take()!);
    const { added, gone } = outbox.take()!;
    expect(added.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(gone).toEqual([]);
  });

  it('are dropped when the stream has taken them meanwhile: they may have been written', () => {
    const { outbox, offered } = outboxWith(3);
    outbox.putBack(outbox.take()!);
    offered[1]!.publication.isOver = true;
    const { added, gone } = outbox.take()!;
    expect(added.map(({ number }) => number)).toEqual([1, 3]);
    expect(gone).toEqual([2]);
  });
});
