// The commands that the all-in-one prints when it has started, carried out as they are.
import { connect, type WsClient } from '../support/ws-client';
import { shell, type HearthRun } from './hearth-process';

/** Opens the connection that the first printed command opens. */
export async function connectAsPrinted({ commands }: HearthRun): Promise<WsClient> {
  const [wscat = ''] = commands;
  const [, url, token] = /^npx wscat -c "(ws:\/\/[^?"]+)\?token=([^"]+)"$/.exec(wscat) ?? [];
  return connect(url!, token);
}

/** Publishes with the second printed command, with other `data` and further members if they are given. */
export async function publishAsPrinted({ commands }: HearthRun, more?: { data: string; deduplicationId?: string }) {
  const members = more === undefined ? '"data":"👋"' : JSON.stringify(more).slice(1, -1);
  return JSON.parse(await shell(`${commands[1]} -s`.replace('"data":"👋"', members)));
}

/** Looks back with the third printed command, its variables filled as the text above it says. */
export async function lookBackAsPrinted(
  { commands }: HearthRun,
  client: WsClient,
): Promise<{ messages: { data: unknown }[] }> {
  const { connectionId, connectionSecret } = (await client.connected()).data;
  const env = { CONNECTION_ID: connectionId as string, CONNECTION_SECRET: connectionSecret as string };
  return JSON.parse(await shell(`${commands[2]} -s`, env));
}
