import { Target } from './job';
import { Subscriber } from './subscriber';
import { channelName } from './tokens';

/** A page shorter than this is the last one (client-http-api §3.2). */
const PAGE = 100;

interface Page {
  readonly messages: readonly { readonly id: string }[];
}

/** How many messages the history of the subscriber's channel holds, read page by page over the client HTTP API. */
export async function countHistory(target: Target, subscriber: Subscriber): Promise<number> {
  const url = `http://127.0.0.1:${target.port}/connection/listMessages?${subscriber.credentials}`;
  const channel = channelName(subscriber.channel);
  let count = 0;
  for (let after: string | undefined; ;) {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify({ channel, after }) });
    if (!response.ok) throw new Error(`listMessages answered ${response.status}: ${await response.text()}`);
    const { messages } = (await response.json()) as Page;
    count += messages.length;
    after = messages.at(-1)?.id;
    if (messages.length < PAGE) return count;
  }
}
