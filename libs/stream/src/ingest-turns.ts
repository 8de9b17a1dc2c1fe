import { FairTurns, FlowWindow } from '@hearth/limits';
import { every, type Repeated } from '@hearth/timing';
import { StreamFullError } from './connection';

/** Something that is to be sent to a partition. */
export interface Turn {
  /** Who sends it, for one that takes turns with what others send; what has none is sent behind all that came before. */
  readonly source: string | undefined;
  readonly channel: string;
  /** It may be part of a batch: what its source asks for in one go for its channel is sent together. */
  readonly isTogether: boolean;
  /** It can ask for an answer when it has been worked on. */
  readonly canProbe: boolean;
  /** Given up when it has waited for so long; never, when absent. */
  readonly timeoutMs: number | undefined;
  /** @param probe number of the probe that it shall be */
  send(probe: number | undefined): void;
  giveUp(error: Error): void;
}

/** What one source asks for in one go for one channel, a batch: it is sent together, so that nothing tears it apart. */
interface Waiting {
  readonly turns: Turn[];
  readonly sinceMs: number;
  readonly number: number;
}

/** Something that waits until all that came before it has been sent. */
interface Follower {
  readonly turn: Turn;
  /** Of those before it. */
  left: number;
  readonly number: number;
}

const LOOK_MS = 100;
const SENT_AT_ONCE = 32;
/** Then those whose message has been worked on are forgotten; no more can be on their way than there is room for. */
const MOST_PASSED = 1_024;

/**
 * Who may send to one partition next (limits §5). While the sequencer keeps up, everybody at once. When it does not, what
 * is asked for waits here and not in the stream, where nobody can go by: who sent least of late is next, by source, then by
 * channel. What one source sends to one channel keeps its order.
 */
class PartitionTurns {
  readonly window = new FlowWindow();
  private readonly turns = new FairTurns<Waiting>(({ turns }) => turns.length);
  private readonly followers: Follower[] = [];
  /** Who went past the others, and how much had been sent by then. */
  private readonly passed = new Map<string, number>();
  private next = 0;
  private isLettingGo = false;
  /** Who asked last in this moment, and what waits of that; nothing, when it was sent at once. */
  private asking:
    { readonly source: string; readonly channel: string; readonly waiting: Waiting | undefined } | undefined;

  get isWaiting(): boolean {
    return this.turns.size > 0;
  }

  /** Whether it need not wait: nobody does, or what was asked for in one go with it did not. */
  mayGo({ source, channel, isTogether }: Pick<Turn, 'source' | 'channel' | 'isTogether'>): boolean {
    const { asking } = this;
    if (asking !== undefined && asking.source === source && asking.channel === channel) {
      return asking.waiting === undefined;
    }
    if ((this.turns.size > 0 || !this.window.isOpen) && !this.mayPassBy(source)) return false;
    if (source !== undefined && isTogether) this.note({ source, channel, waiting: undefined });
    return true;
  }

  /** Whoever has nothing on its way, and nothing that waits, goes past those who have a lot. */
  private mayPassBy(source: string | undefined): boolean {
    if (source === undefined || !this.window.hasReserve || this.turns.has(source)) return false;
    const { sentSoFar, arrivedSoFar } = this.window;
    if ((this.passed.get(source) ?? 0) > arrivedSoFar) return false;
    if (this.passed.size >= MOST_PASSED) {
      for (const [one, sent] of this.passed) if (sent <= arrivedSoFar) this.passed.delete(one);
    }
    this.passed.set(source, sentSoFar + 1);
    return true;
  }

  /** Whoever may not go waits. */
  wait(turn: Turn): void {
    const { source, channel } = turn;
    if (source === undefined) return this.follow(turn);
    const { asking } = this;
    if (asking?.waiting !== undefined && asking.source === source && asking.channel === channel) {
      return void asking.waiting.turns.push(turn);
    }
    const waiting = { turns: [turn], sinceMs: performance.now(), number: this.next++ };
    this.turns.push(source, channel, waiting);
    if (turn.isTogether) this.note({ source, channel, waiting });
  }

  /** Until whoever asks has come to an end. */
  private note(asking: NonNullable<PartitionTurns['asking']>): void {
    if (this.asking === undefined) queueMicrotask(() => (this.asking = undefined));
    this.asking = asking;
  }

  /** Lets go what there is room for, some in each turn of the event loop: others must have theirs, too. */
  letGo(): void {
    if (this.isLettingGo) return;
    for (let n = 0; this.turns.size > 0 && this.window.isOpen; n++) {
      if (n === SENT_AT_ONCE) {
        this.isLettingGo = true;
        setImmediate(() => {
          this.isLettingGo = false;
          this.letGo();
        });
        return;
      }
      this.sendNext();
    }
  }

  /** Lets go of everything, because this process ends. */
  letAllGo(): void {
    while (this.turns.size > 0) this.sendNext();
  }

  look(nowMs: number): void {
    this.window.look(nowMs);
    this.letGo();
  }

  private follow(turn: Turn): void {
    if (this.turns.size === 0) return this.send(turn);
    this.followers.push({ turn, left: this.turns.size, number: this.next++ });
  }

  private sendNext(): void {
    const waiting = this.turns.shift();
    if (waiting === undefined) return;
    // What comes later must not join what has gone.
    if (this.asking?.waiting === waiting) this.asking = undefined;
    const waitedMs = performance.now() - waiting.sinceMs;
    for (const turn of waiting.turns) {
      if (waitedMs > (turn.timeoutMs ?? Infinity))
        turn.giveUp(new StreamFullError('too many messages wait for their turn'));
      else this.send(turn);
    }
    for (const follower of this.followers) if (waiting.number < follower.number) follower.left--;
    while (this.followers[0]?.left === 0) {
      const follower = this.followers.shift();
      if (follower !== undefined) this.send(follower.turn);
    }
  }

  private send(turn: Turn): void {
    turn.send(this.window.send(turn.canProbe, performance.now()));
  }
}

/** Turns of all partitions, as this process takes part in them. */
export class IngestTurns {
  private readonly partitions = new Map<number, PartitionTurns>();
  private readonly looking: Repeated;

  constructor() {
    this.looking = every(LOOK_MS, () => this.look());
  }

  /** A probe has been worked on; whoever waits for that may go. */
  answered(partition: number, probe: number): void {
    const turns = this.of(partition);
    turns.window.answered(probe, performance.now());
    turns.letGo();
  }

  close(): void {
    void this.looking.stop();
    for (const turns of this.partitions.values()) turns.letAllGo();
  }

  of(partition: number): PartitionTurns {
    let turns = this.partitions.get(partition);
    if (turns === undefined) this.partitions.set(partition, (turns = new PartitionTurns()));
    return turns;
  }

  private look(): void {
    const nowMs = performance.now();
    for (const turns of this.partitions.values()) if (turns.isWaiting) turns.look(nowMs);
  }
}
