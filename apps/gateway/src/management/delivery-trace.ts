import { type AnswerOf, type Ask, type DeliveryTrace, traceKey } from '@hearth/stream';
import { comparePositions, SmallestItems } from '@hearth/wire';
import { Injectable } from '@nestjs/common';
import { ConnectionRegistry, type OpenConnection } from '../connection/connection-registry';
import { type EndedConnection, EndedConnections, stateOf, type SubscriptionState } from './ended-connections';

type Question = Ask<'traceDelivery'>;

/**
 * Says of connections what they got of a message, and why not (management-api §2). It follows from what the gateway knows
 * anyway: where a subscription began, and how far its channel has come, or had when the connection ended.
 */
@Injectable()
export class DeliveryTraces {
  constructor(
    private readonly registry: ConnectionRegistry,
    private readonly ended: EndedConnections,
  ) {}

  trace(question: Question): AnswerOf<'traceDelivery'> {
    const smallest = new SmallestItems(traceKey, '', question.limit);
    for (const connection of this.open(question)) smallest.add(traceOf(connection, question));
    for (const connection of this.gone(question)) smallest.add(traceOfEnded(connection, question));
    return smallest.take();
  }

  private open({ who, channel }: Question): readonly OpenConnection[] {
    if ('connectionId' in who) return [this.registry.get(who.connectionId) ?? []].flat();
    const isMeant = (connection: OpenConnection): boolean =>
      connection.identity.uid === who.uid || connection.subscription(channel)?.identity.uid === who.uid;
    return [...this.registry.all()].filter(isMeant);
  }

  private gone({ who, channel }: Question): readonly EndedConnection[] {
    if ('connectionId' in who) return [this.ended.get(who.connectionId) ?? []].flat();
    const isMeant = ({ uid, subscriptions }: EndedConnection): boolean =>
      uid === who.uid || subscriptions.get(channel)?.uid === who.uid;
    return [...this.ended.all()].filter(isMeant);
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
    verdict: subscription === undefined ? 'notSubscribed' : verdictOf(stateOf(subscription), connection.id, question),
    waitingBytes: connection.socket.backlogBytes,
  };
}

function traceOfEnded(
  { id, uid, connectedAtMs, subscriptions, waitingBytes, end }: EndedConnection,
  question: Question,
) {
  const subscription = subscriptions.get(question.channel);
  const verdict = subscription === undefined ? 'notSubscribed' : verdictOf(subscription, id, question, end.atMs);
  return {
    ...{ id, uid: subscription?.uid ?? uid, connectedAtMs, subscribedAtMs: subscription?.subscribedAtMs ?? null },
    ...{ maySubscribe: null, verdict, waitingBytes, end },
  } satisfies DeliveryTrace;
}

/** @param endedAtMs absent while the connection is open */
function verdictOf(
  { isLive, since, last, subscribedAtMs }: SubscriptionState,
  connectionId: string,
  { position, atMs, exceptConnectionId }: Question,
  endedAtMs?: number,
): DeliveryTrace['verdict'] {
  if (connectionId === exceptConnectionId) return 'own';
  if (!isLive) return 'catchingUp';
  const notYet = endedAtMs === undefined ? 'notHere' : 'endedBefore';
  // The stream does not have it any more, so the channel has come past it long ago.
  if (position === undefined) {
    if (subscribedAtMs > atMs) return 'subscribedLater';
    return endedAtMs !== undefined && endedAtMs < atMs ? 'endedBefore' : 'sent';
  }
  if (since !== undefined && comparePositions(position, since) <= 0) return 'subscribedLater';
  return last === undefined || comparePositions(last, position) < 0 ? notYet : 'sent';
}
