import { connect, Frame } from '../support/ws-client';
import { Cluster } from './cluster';
import { Sighting } from './journal';
import { sightingOf } from './subscriber';

const PAGE = 100;

/** All rows of the log table, of the given channels if any are given. */
export async function readTable(cluster: Cluster, channels?: readonly string[]): Promise<Sighting[]> {
  const { rows } = await cluster.sql.query(
    'select channel, coalesce(eager_id, id) as id, event, data, meta from message_log where $1::text[] is null or channel = any ($1)',
    [channels ?? null],
  );
  return rows.map(({ data, meta, ...row }) =>
    sightingOf({ ...row, data: JSON.parse(data), meta: meta === null ? undefined : JSON.parse(meta) }),
  );
}

/**
 * Reads channels with `listMessages` page by page until a page is short, as a client of one gateway would.
 *
 * @param reverse newest first on the wire
 * @returns oldest first
 */
export async function readHistory(
  cluster: Cluster,
  gateway: number,
  channels: readonly string[],
  reverse: boolean,
): Promise<Sighting[]> {
  const client = await connect(cluster.gatewayUrls[gateway] ?? '', cluster.token('reader'));
  const { connectionId, connectionSecret } = (await client.connected()).data;
  const query = new URLSearchParams({ connectionId, connectionSecret });
  const url = `${cluster.historyUrl}/connection/listMessages?${query.toString()}`;
  const all: Sighting[] = [];
  for (const channel of channels) {
    const own: Sighting[] = [];
    let page: Frame[];
    do {
      const cursor = own.at(-1)?.id;
      const body = JSON.stringify({ channel, reverse, ...(reverse ? { before: cursor } : { after: cursor }) });
      const response = await fetch(url, { method: 'POST', body });
      if (!response.ok) throw new Error(`listMessages: ${response.status} ${await response.text()}`);
      page = ((await response.json()) as { messages: Frame[] }).messages;
      own.push(...page.map(sightingOf));
    } while (page.length === PAGE);
    all.push(...(reverse ? own.reverse() : own));
  }
  await client.close();
  return all;
}
