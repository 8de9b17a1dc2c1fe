import { Denial, MANAGEMENT_SUBJECT, managementSubject, Part, Position } from '@hearth/wire';
import { createInbox, ErrorCode as NatsErrorCode, Msg, NatsError } from 'nats';
import { StreamConnection, StreamUnavailableError } from './connection';

/** What the management API asks of gateways, over NATS request and reply: of all at once, or of one (management-api). */

/** How long a gateway has to answer (management-api §1, `complete`). */
const ANSWER_MS = 1_000;

/** All that is given must be so; see management-api §2. */
export interface ConnectionFilter {
  /** Of the connection. */
  readonly uid?: string;
  /** Subscribed to it; real name. */
  readonly channel?: string;
  /** IP address or CIDR range. */
  readonly address?: string;
  readonly jti?: string;
}

export interface PageQuery {
  /** The page begins behind this key. */
  readonly after: string;
  readonly limit: number;
}

/** Something with its JSON text as users see it, by its key in the list. */
export interface Listed {
  readonly key: string;
  readonly json: string;
}

/** A channel on one gateway, or on all. */
export interface ChannelSummary {
  readonly name: string;
  /** Without those of claim `omitFromSubCount`. */
  readonly subscriptionsCount: number;
  readonly connectionsCount: number;
}

/** How a connection ended. */
export interface ConnectionEnd {
  /** ms since 1970. */
  readonly atMs: number;
  /** The close code that it was sent; `null` when the client left, or its network. */
  readonly code: number | null;
  readonly reason: string | null;
}

/** What a connection got of a message (management-api §2). */
export interface DeliveryTrace {
  readonly id: string;
  readonly uid: string | null;
  /** ms since 1970, as `subscribedAtMs`. */
  readonly connectedAtMs: number;
  /** `null`: it is not subscribed now, or was not at its end. */
  readonly subscribedAtMs: number | null;
  /** Its connect token lets it subscribe; `null`: nobody knows any more. */
  readonly maySubscribe: boolean | null;
  readonly verdict: 'sent' | 'notSubscribed' | 'subscribedLater' | 'own' | 'catchingUp' | 'notHere' | 'endedBefore';
  /** What is, or was at its end, written to its socket and not taken by the network yet. */
  readonly waitingBytes: number;
  /** Absent of one that is open, and of all from a gateway of a version before. */
  readonly end?: ConnectionEnd;
}

/** The order of traces: those of open connections, then of others, those that ended last first. */
export function traceKey({ id, end }: DeliveryTrace): string {
  return end === undefined ? `0${id}` : `1${String(1e15 - end.atMs).padStart(16, '0')}${id}`;
}

/** Every operation: what is asked, and what a gateway answers. */
export interface ManagementCalls {
  readonly listConnections: {
    readonly ask: PageQuery & { readonly filter: ConnectionFilter };
    /** `total`: all that match, on any page. */
    readonly answer: { readonly total: number; readonly part: Part<Listed> };
  };
  readonly listChannels: {
    readonly ask: PageQuery & { readonly prefix: string };
    readonly answer: Part<ChannelSummary>;
  };
  /** One connection, and its subscriptions behind a channel. */
  readonly describeConnection: {
    readonly ask: { readonly connectionId: string; readonly after: string };
    /** `json`: as in the list; `null` without such a connection. */
    readonly answer: { readonly json: string; readonly subscriptions: Part<Listed> } | null;
  };
  /** What the connections with a `uid`, or one connection, got of a message. */
  readonly traceDelivery: {
    readonly ask: {
      readonly channel: string;
      readonly who: { readonly uid: string } | { readonly connectionId: string };
      /** Its place; without one its id says when it was there. */
      readonly position?: Position;
      /** Of its id, ms since 1970. */
      readonly atMs: number;
      readonly exceptConnectionId?: string;
      readonly limit: number;
    };
    readonly answer: Part<DeliveryTrace>;
  };
  /** Takes denials in, closes the connections and ends the subscriptions that they are about. */
  readonly deny: {
    /** `version`: that they have in Postgres, if they are kept there. */
    readonly ask: { readonly denials: readonly Denial[]; readonly version?: number };
    readonly answer: {
      readonly disconnected: number;
      readonly unsubscribed: number;
      /** Digests of the connect tokens of those who were closed, where they shall be refused; they are kept in Postgres. */
      readonly tokens: readonly string[];
      /** When the last of these refusals ends, ms since 1970. */
      readonly refusedUntilMs?: number;
      /** When the last of the tokens that were found to be revoked by their `jti` expires, ms since 1970. */
      readonly tokensEndMs?: number;
      /** There may be further connections to close: it must be said again. */
      readonly more: boolean;
    };
  };
}

export type ManagementOperation = keyof ManagementCalls;
export type Ask<Operation extends ManagementOperation> = ManagementCalls[Operation]['ask'];
export type AnswerOf<Operation extends ManagementOperation> = ManagementCalls[Operation]['answer'];

/** What each operation does on a gateway. */
export type ManagementHandlers = {
  readonly [Operation in ManagementOperation]: (
    ask: Ask<Operation>,
  ) => AnswerOf<Operation> | Promise<AnswerOf<Operation>>;
};

interface Call {
  readonly operation: ManagementOperation;
  readonly ask: unknown;
}

/** Without an answer when it failed. */
interface Reply {
  readonly gatewayId: number;
  readonly answer?: unknown;
}

/** What came of asking all gateways. */
export interface Answers<Answer> {
  readonly answers: readonly Answer[];
  /** Numbers of those that were expected to answer and did not. */
  readonly silent: readonly number[];
}

/**
 * Asks all gateways, and waits 1 s for them.
 *
 * @param expected those that must answer; others may
 */
export async function askGateways<Operation extends ManagementOperation>(
  connection: StreamConnection,
  expected: readonly number[],
  operation: Operation,
  ask: Ask<Operation>,
): Promise<Answers<AnswerOf<Operation>>> {
  const missing = new Set(expected);
  const answers: AnswerOf<Operation>[] = [];
  // What is sent while NATS is away would be carried out whenever it is back.
  if (!connection.isConnected) return { answers, silent: expected };
  const inbox = createInbox();
  let stopListening = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    stopListening = connection.listen(inbox, (message) => {
      const reply = replyOf(message);
      if (reply?.answer === undefined) return;
      answers.push(reply.answer as AnswerOf<Operation>);
      if (missing.delete(reply.gatewayId) && missing.size === 0) resolve();
    });
    connection.nats.publish(MANAGEMENT_SUBJECT, encode({ operation, ask }), { reply: inbox });
    timer = setTimeout(resolve, missing.size === 0 ? 0 : ANSWER_MS);
  });
  clearTimeout(timer);
  stopListening();
  return { answers, silent: [...missing] };
}

/**
 * Asks one gateway.
 *
 * @returns its answer; `undefined` when nobody listens under this number
 * @throws StreamUnavailableError when it does not answer within 1 s
 */
export async function askGateway<Operation extends ManagementOperation>(
  connection: StreamConnection,
  gatewayId: number,
  operation: Operation,
  ask: Ask<Operation>,
): Promise<AnswerOf<Operation> | undefined> {
  if (!connection.isConnected) throw new StreamUnavailableError('NATS is not connected');
  let reply: Reply | undefined;
  try {
    const subject = managementSubject(gatewayId);
    reply = replyOf(await connection.nats.request(subject, encode({ operation, ask }), { timeout: ANSWER_MS }));
  } catch (error) {
    if (error instanceof NatsError && error.code === String(NatsErrorCode.NoResponders)) return undefined;
    throw new StreamUnavailableError('the gateway did not answer', { cause: error });
  }
  if (reply?.answer === undefined) throw new StreamUnavailableError('the gateway could not answer');
  return reply.answer as AnswerOf<Operation>;
}

/**
 * Answers what is asked of a gateway.
 *
 * @param failed told what a handler has thrown; whoever asked gets no answer
 * @returns ends it
 */
export function answerManagement(
  connection: StreamConnection,
  gatewayId: number,
  handlers: ManagementHandlers,
  failed: (error: unknown) => void,
): () => void {
  const answer = async (message: Msg): Promise<void> => {
    const reply: { gatewayId: number; answer?: unknown } = { gatewayId };
    try {
      const { operation, ask } = message.json<Call>();
      // A newer node may ask for what this gateway does not know.
      const handler = handlers[operation] as ((ask: unknown) => unknown) | undefined;
      reply.answer = await handler?.(ask);
    } catch (error) {
      failed(error);
    }
    connection.answer(message, JSON.stringify(reply));
  };
  const stops = [MANAGEMENT_SUBJECT, managementSubject(gatewayId)].map((subject) =>
    connection.listen(subject, (message) => void answer(message)),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

/** `undefined` for what is none, such as NATS's own word that nobody listens. */
function replyOf(message: Msg): Reply | undefined {
  return message.data.length === 0 ? undefined : message.json<Reply>();
}

function encode(call: Call): Buffer {
  return Buffer.from(JSON.stringify(call), 'utf8');
}
