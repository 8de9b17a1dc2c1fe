import type { BackendEvent } from '@hearth/wire';
import { eventsOfMessage } from './backend-events';
import type { Answer, Dropped } from './channel-operations';
import type { Deliverable } from './fan-out';
import type { Reached } from './saved-position';
import type { SequencedMessage } from './sequencing';

/** What a batch became. */
export interface Processed {
  readonly deliverables: readonly Deliverable[];
  readonly events: readonly BackendEvent[];
  readonly reached: Reached;
  readonly dropped: Dropped;
  readonly promptAnswers: readonly Answer[];
}

export const NOTHING_REACHED: Reached = { answers: [] };

/** A batch with nothing in it but messages. */
export function passedOn(messages: readonly SequencedMessage[], dropped: Dropped): Processed {
  const deliverables = dropped.size === 0 ? messages : messages.filter((message) => !dropped.has(message));
  const events = deliverables.flatMap(eventsOfMessage);
  return { deliverables, events, reached: NOTHING_REACHED, dropped, promptAnswers: [] };
}
