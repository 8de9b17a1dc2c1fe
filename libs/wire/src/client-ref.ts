/**
 * A client's `ref` as it travels with what it names: refs of different users, and of connections without a user, are
 * different ones (client-library §6). No `ref` contains a comma.
 *
 * @param ref as the client sent it
 */
export function clientRef(ref: string | undefined, uid: string | null, connectionId: string): string | undefined {
  if (ref === undefined) return undefined;
  return uid === null ? `${ref},c${connectionId}` : `${ref},u${uid}`;
}
