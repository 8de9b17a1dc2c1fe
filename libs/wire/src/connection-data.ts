/** What events tell of a connection (pubsub-events §3.1). */
export interface ConnectionDetails {
  readonly id: string;
  readonly connectedAtMs: number;
  readonly keepAlive: boolean;
  readonly sourceIp: string | undefined;
  readonly uid: string | null;
  /** JSON text. */
  readonly umdJson: string;
  readonly userAgent: string | undefined;
}

const OPEN = '"disconnectedAt":null';

/** JSON text of `data` of a connection that is open. */
export function connectionData(connection: ConnectionDetails): string {
  const { id, connectedAtMs, keepAlive, sourceIp = null, uid, umdJson, userAgent = null } = connection;
  const connectedAt = new Date(connectedAtMs).toISOString();
  const head = JSON.stringify({ id, connectedAt, disconnectedAt: null, keepAlive, sourceIp, uid });
  return `${head.slice(0, -1)},"umd":${umdJson},"userAgent":${JSON.stringify(userAgent)}}`;
}

/**
 * The same of one that has ended.
 *
 * @param dataJson as `connectionData` gave it: nothing before the member can hold its text, because an id has no quotes
 */
export function endedConnectionData(dataJson: string, disconnectedAtMs: number): string {
  return dataJson.replace(OPEN, `"disconnectedAt":"${new Date(disconnectedAtMs).toISOString()}"`);
}
