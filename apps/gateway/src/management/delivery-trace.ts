import type { AnswerOf, Ask, DeliveryTrace } from '@hearth/stream';
import { comparePositions, SmallestItems } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { ConnectionRegistry, type OpenConnection } from '../connection/connection-registry';
import type { Subscription } from '../connection/subscription';

type Question = Ask<'traceDelivery'>;

/**
 * Says of open connections what they got of a message, and why not (management-api §2). It follows from what the gateway knows
 * anyway: where a subscription began, and how far its channel has come. Nothing is kept of connections that have ended.
 */
@Injectable()
export class DeliveryTraces {
  constructor(private readonly registry: ConnectionRegistry) {}

  trace(question: Question): AnswerOf<'traceDelivery'> {
    const smallest = new SmallestItems(({ id }: DeliveryTrace) => id, '', question.limit);
    for (const connection of this.concerned(question)) smallest.add(traceOf(connection, question));
    return smallest.take();
  }

  private concerned({ who, channel }: Question): readonly OpenConnection[] {
    if ('connectionId' in who) return [this.registry.get(who.connectionId) ?? []].flat();
    const isMeant = (connection: OpenConnection): boolean =>
      connection.identity.uid === who.uid || connection.subscription(channel)?.identity.uid === who.uid;
    return [...this.registry.all()].filter(isMeant);
  }
}

function traceOf(connection: OpenConnection, question: Question): DeliveryTrace {
  const subscription = connection.subscription(question.channel);
  return {
    id: connection.id,
    uid: (subscription ?? connection).identity.uid,
    connectedAtMs: connection.connectedAtMs,
    subscribedAtMs: subscription?.subscribedAtMs ?? null,
    maySubscribe: connection.grants.canSubscribe(question.channel),
    verdict: subscription === undefined ? 'notSubscribed' : verdictOf(subscription, question),
    waitingBytes: connection.socket.backlogBytes,
  };
}

function verdictOf(
  subscription: Subscription,
  { position, atMs, exceptConnectionId }: Question,
): DeliveryTrace['verdict'] {
  const { slot, since, channel, connectionId, subscribedAtMs } = subscription;
  if (connectionId === exceptConnectionId) return 'own';
  if (slot < 0) return 'catchingUp';
  // The stream does not have it any more, so the channel has come past it long ago.
  if (position === undefined) return subscribedAtMs > atMs ? 'subscribedLater' : 'sent';
  if (since !== undefined && comparePositions(position, since) <= 0) return 'subscribedLater';
  const { last } = channel.intake;
  return last === undefined || comparePositions(last, position) < 0 ? 'notHere' : 'sent';
}
