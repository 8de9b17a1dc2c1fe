import {
  ClientFrameError,
  parseClientFrame,
  ProtocolError,
  publishedFrame,
  PONG_FRAME,
  type ClientFrame,
  type PublishedFrame,
} from '@hearth/protocol';
import { installationNow } from '@hearth/timing';
import type { Placed } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { ClientPublish, type ClientOrigin } from './client-publish';
import { ClientReactions } from './client-reactions';
import { ClientStorage } from './client-storage';
import type { Joiner } from './joiner';
import { Joining } from './joining';
import { UmdUpdates, type UmdHolder } from './umd-updates';

type FrameOf<Kind extends ClientFrame['kind']> = Extract<ClientFrame, { kind: Kind }>;

/** The connection of a client that asks for something in a frame. */
export interface FrameSender extends Joiner, UmdHolder {
  readonly origin: ClientOrigin;
  readonly hasEnded: boolean;
  /** Messages of it that are on their way to the stream. */
  inFlight: number;
  /** Called when one of them has arrived. */
  onRoom: (() => void) | undefined;
  answer(frame: string, answerId: number | undefined): void;
  /** Answers with `hotsock.error`; the names are those that the client gave. */
  refuse(error: unknown, channel: string | undefined, answerId: number | undefined, ref?: string): void;
}

/** What was handed on to the stream. */
interface HandedOn {
  /** Real name. */
  readonly channel: string;
  readonly scheduleArn?: string;
  readonly accepted: Promise<Placed | undefined>;
}

/** Messages of one connection on their way to the stream; the next one waits until there is room (limits §5). */
const MAX_IN_FLIGHT = 64;

/** What clients may ask for in frames, and how each is answered (websocket-protocol §6). */
@Injectable()
export class Requests {
  constructor(
    private readonly joining: Joining,
    private readonly messages: ClientPublish,
    private readonly reactions: ClientReactions,
    private readonly storage: ClientStorage,
    private readonly umd: UmdUpdates,
  ) {}

  /**
   * Does what a frame asks for, or refuses it.
   *
   * @param request or why it cannot be told what is asked for
   * @returns a promise, which never rejects, only when that takes more than this moment
   */
  perform(sender: FrameSender, request: ClientFrame | Error, answerId: number | undefined): Promise<void> | undefined {
    const { channel, ref } = namesOf(request);
    if (request instanceof Error) return void sender.refuse(request, channel, answerId, ref);
    try {
      const unfinished = this.performFrame(sender, request, answerId);
      return unfinished?.catch((error: unknown) => sender.refuse(error, channel, answerId, ref));
    } catch (error) {
      return void sender.refuse(error, channel, answerId, ref);
    }
  }

  private performFrame(
    sender: FrameSender,
    frame: ClientFrame,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    switch (frame.kind) {
      case 'message':
        return after(this.messages.admit(sender, frame), () => this.publish(sender, frame, answerId));
      case 'subscribe':
        return this.joining.subscribe(sender, frame, answerId);
      case 'unsubscribe':
        return void this.joining.unsubscribe(sender, frame.channel, answerId);
      case 'ping':
        return void sender.answer(PONG_FRAME, answerId);
      case 'heartbeat':
      case 'pong':
        return void answerNothing(sender, answerId);
      case 'reaction':
        return this.react(sender, frame, answerId);
      case 'umdUpdate':
        return this.umd.update(sender, frame).then(() => answerNothing(sender, answerId));
      case 'storageSet':
        return after(this.storage.admit(sender, frame), () => this.setStorage(sender, frame, answerId));
      case 'storageGet':
        return this.getStorage(sender, frame, answerId);
    }
  }

  /** Does not wait for the stream's confirmation, unless too many are outstanding: the order is kept without it. */
  private publish(
    sender: FrameSender,
    frame: FrameOf<'message'>,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    const handedOn = this.messages.publish(sender, frame, sender.origin);
    const { channel, scheduleArn } = handedOn;
    const acknowledgement = () => JSON.stringify({ id: null, event: frame.event, channel, scheduleArn });
    return this.meanwhile(sender, handedOn, frame, acknowledgement, answerId);
  }

  private setStorage(
    sender: FrameSender,
    frame: FrameOf<'storageSet'>,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    const handedOn = this.storage.set(sender, frame, sender.origin);
    return this.meanwhile(sender, handedOn, frame, () => undefined, answerId);
  }

  private async react(sender: FrameSender, frame: FrameOf<'reaction'>, answerId: number | undefined): Promise<void> {
    const handedOn = await this.reactions.react(sender, frame, sender.origin);
    await this.meanwhile(sender, handedOn, frame, () => undefined, answerId);
  }

  private async getStorage(
    sender: FrameSender,
    frame: FrameOf<'storageGet'>,
    answerId: number | undefined,
  ): Promise<void> {
    const answer = await this.storage.get(sender, frame.channel, frame.key);
    if (!sender.hasEnded) sender.answer(answer, answerId);
  }

  /**
   * Goes on while something is on its way to the stream, unless there is too much of it.
   *
   * @param acknowledgement for a Socket.IO client that asked for one, of what has no `ref`
   */
  private meanwhile(
    sender: FrameSender,
    handedOn: HandedOn,
    { channel, ref }: { readonly channel: string; readonly ref?: string },
    acknowledgement: () => string | undefined,
    answerId: number | undefined,
  ): Promise<void> | undefined {
    sender.inFlight++;
    handedOn.accepted.then(
      (placed) => {
        landed(sender);
        if (sender.hasEnded) return;
        if (ref !== undefined) sender.answer(publishedFrame({ ref, ...this.published(handedOn, placed) }), answerId);
        else if (answerId !== undefined) sender.socket.answer(answerId, acknowledgement());
      },
      (error: unknown) => {
        landed(sender);
        sender.refuse(error, channel, answerId, ref);
      },
    );
    if (sender.inFlight < MAX_IN_FLIGHT) return undefined;
    return new Promise((resolve) => (sender.onRoom = resolve));
  }

  /** @param placed what became of it, as far as that is known yet */
  private published({ channel, scheduleArn }: HandedOn, placed: Placed | undefined): Omit<PublishedFrame, 'ref'> {
    const { id = null, position, scheduleId, duplicate } = placed ?? {};
    const first = scheduleId === undefined ? undefined : this.messages.scheduleArn(scheduleId);
    return { channel, id, position, scheduleArn: first ?? (id === null ? scheduleArn : undefined), duplicate };
  }
}

/** What a client asks for, or why that cannot be told (websocket-protocol §6). */
export function readFrame(text: string | undefined): ClientFrame | Error {
  if (text === undefined) return new ProtocolError('MALFORMED_MESSAGE', 'the message must be JSON in UTF-8');
  try {
    return parseClientFrame(text, installationNow);
  } catch (error) {
    return error instanceof Error ? error : new Error('unreadable', { cause: error });
  }
}

/** By which the client knows its request (websocket-protocol §7, client-library §6). */
export function namesOf(request: ClientFrame | Error): { readonly channel?: string; readonly ref?: string } {
  if (request instanceof Error) return request instanceof ClientFrameError ? request : {};
  return {
    channel: 'channel' in request ? request.channel : undefined,
    ref: 'ref' in request ? request.ref : undefined,
  };
}

function landed(sender: FrameSender): void {
  sender.inFlight--;
  const { onRoom } = sender;
  sender.onRoom = undefined;
  onRoom?.();
}

function answerNothing(sender: FrameSender, answerId: number | undefined): void {
  if (answerId !== undefined) sender.socket.answer(answerId, undefined);
}

/** Does something at once, or when it may be done. */
function after(admitted: Promise<void> | undefined, work: () => Promise<void> | undefined): Promise<void> | undefined {
  return admitted === undefined ? work() : admitted.then(work);
}
