/**
 * A lane is all that one publisher sends to one partition. What it sends is numbered in the order of the calls, and the
 * number is part of the id by which NATS knows a message again. A cluster of NATS servers that changes the leader of a stream
 * may lose a message and take later ones, so a repeat of it may be stored behind those; and its new leader may store a repeat
 * of what it has. The reader of the stream leaves out both: in a lane, numbers only rise.
 */
export interface LanePlace {
  /** Of one publisher: unlike that of any other, also of its successor's. */
  readonly lane: string;
  /** From 1. */
  readonly number: number;
}

/** No other id of ours begins so. */
const PREFIX = 'lane:';

export function encodeLanePlace({ lane, number }: LanePlace): string {
  return `${PREFIX}${lane}:${number}`;
}

/** @param messageId `undefined` for a message without one. @returns `undefined` for what is sent outside of lanes */
export function decodeLanePlace(messageId: string | undefined): LanePlace | undefined {
  if (messageId?.startsWith(PREFIX) !== true) return undefined;
  const end = messageId.lastIndexOf(':');
  const [lane, number] = [messageId.slice(PREFIX.length, end), Number(messageId.slice(end + 1))];
  return lane !== '' && Number.isSafeInteger(number) && number > 0 ? { lane, number } : undefined;
}
