import { type Identity, ProtocolError } from '@hearth/protocol';
import { gatewayIdOf, Introduction, OperationOf } from '@hearth/wire';
import { HearthConfig } from '@hearth/config';
import { CONFIG } from '@hearth/runtime';
import { IngestPublisher } from '@hearth/stream';
import { Inject, Injectable } from '@nestjs/common';
import { deadline, TimeoutError, type CancelDeadline } from '@hearth/timing';
import type { Channel } from '../channel/channel';

/** Who wants to enter a presence channel. */
export interface Entrant {
  readonly connectionId: string;
  /** With a uid. */
  readonly identity: Identity;
  readonly counted: boolean;
  readonly introduction: readonly Introduction[] | undefined;
}

/**
 * Entering and leaving presence channels (channels-presence-storage §3). Both are operations in the channel's order; a
 * subscription begins at the very record that says so, between the messages before and after it, with the members as of
 * that place.
 */
@Injectable()
export class Presence {
  /** Leaves that the stream has not confirmed: who enters again must come after its own leave. */
  private readonly leaving = new Map<string, Promise<void>>();
  /** Until everything is over that a connection has asked for, by its id. */
  private readonly underWay = new Map<string, Promise<void>>();
  private attempts = 1;

  constructor(
    private readonly ingest: IngestPublisher,
    /** `httpTimeoutMs`: how long entering may take. */
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'httpTimeoutMs'>,
  ) {}

  /**
   * Enters a channel that is open here.
   *
   * @param enter called in the moment of entering, with the members as JSON text; it must add the subscriber
   * @returns when it has entered
   * @throws ProtocolError `PRESENCE_CHANNEL_CAPACITY_REACHED`
   * @throws OutageError when nobody lets it in; either way `enter` has not been called
   */
  join(channel: Channel, entrant: Entrant, enter: (membersJson: string) => void): Promise<void> {
    const joined = this.attempt(channel, entrant, enter);
    this.track(entrant.connectionId, joined);
    return joined;
  }

  private async attempt(channel: Channel, entrant: Entrant, enter: (membersJson: string) => void): Promise<void> {
    const { connectionId, identity, counted, introduction } = entrant;
    const attempt = this.attempts++;
    let cancel: CancelDeadline | undefined;
    let hasFailed = false;
    const entered = new Promise<void>((resolve, reject) => {
      const expectation = channel.expect(connectionId, attempt, (membersJson) => {
        try {
          enter(membersJson);
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
      const fail = (error: unknown): void => {
        hasFailed = true;
        if (!expectation.cancel()) return;
        // A refusal changed nothing; after anything else it may still enter, and must leave again.
        if (!(error instanceof ProtocolError)) this.leave(channel.name, connectionId);
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      cancel = deadline(this.config.httpTimeoutMs, () =>
        fail(new TimeoutError(`channel: ${channel.name} cannot be joined at the moment`)),
      );
      const join: OperationOf<'join'> = {
        kind: 'join',
        channel: channel.name,
        connectionId,
        gatewayId: gatewayIdOf(connectionId) ?? 0,
        uid: identity.uid ?? '',
        umdJson: identity.umdJson,
        uncounted: counted ? undefined : true,
        attempt,
        introduces: introduction,
      };
      this.left(channel.name, connectionId)
        // Who has been told that it failed must not come in later.
        .then(() => (hasFailed ? undefined : this.ingest.perform(join)))
        .catch(fail);
    });
    try {
      await entered;
    } finally {
      cancel?.();
    }
  }

  /** Leaves a channel; one that was never entered is left without any effect. */
  leave(channel: string, connectionId: string): void {
    const key = keyOf(channel, connectionId);
    const left = this.ingest
      .send({ kind: 'leave', channel, connectionId }, '', { atLast: true })
      // The publisher is closing: whoever removes what a dead gateway left removes this too.
      .catch(() => undefined)
      .finally(() => {
        if (this.leaving.get(key) === left) this.leaving.delete(key);
      });
    this.leaving.set(key, left);
    this.track(connectionId, left);
  }

  /** When the stream has the leave of a connection, if there is one under way. */
  async left(channel: string, connectionId: string): Promise<void> {
    await this.leaving.get(keyOf(channel, connectionId));
  }

  /** When a connection that has ended is nowhere and will not enter any more, as far as the streams know. */
  async settled(connectionId: string): Promise<void> {
    for (let last = this.underWay.get(connectionId); last !== undefined; last = this.underWay.get(connectionId))
      await last;
  }

  /** When the streams have all leaves. */
  async allLeft(): Promise<void> {
    await Promise.all(this.leaving.values());
  }

  private track(connectionId: string, work: Promise<void>): void {
    const all = Promise.allSettled([this.underWay.get(connectionId), work]).then(() => {
      if (this.underWay.get(connectionId) === all) this.underWay.delete(connectionId);
    });
    this.underWay.set(connectionId, all);
  }
}

function keyOf(channel: string, connectionId: string): string {
  return `${connectionId} ${channel}`;
}
