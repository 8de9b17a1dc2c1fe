import { type HearthClient, HotsockClient } from '@hearth/client';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually';
import { connectToken, type Testbed } from '../support/installation';
import type { Frame } from '../support/ws-client';

interface Place {
  readonly testbed: Testbed;
  readonly url: string;
  /** Those that are to be terminated. */
  readonly clients: HearthClient[];
}

let number = 0;
const newChannel = (): string => `front-end-${++number}`;

/** What the sample front ends of the official client do, with their kinds of tokens (features.md, end-to-end scenarios). */
export function describeFrontEnds(place: () => Place): void {
  describe('HotsockClient as in the sample front ends (vector 2)', () => {
    function page(uid: string, channels: object): HotsockClient {
      const made = new HotsockClient(place().url, {
        connectTokenFn: () => connectToken({ uid, channels }),
        WebSocket: WebSocket,
        logLevel: 'silent',
      });
      place().clients.push(made);
      return made;
    }

    /** All pages of a channel's history, as pages of a front end load them. */
    async function load({ activeConnection }: HotsockClient, channel: string): Promise<Frame[]> {
      const { connectionId = '', connectionSecret = '' } = activeConnection;
      const query = new URLSearchParams({ connectionId, connectionSecret });
      const all: Frame[] = [];
      for (let after: string | undefined; ; after = all.at(-1).id) {
        const body = JSON.stringify({ channel, after, expandReactions: true });
        const url = `${place().testbed.history.httpUrl}/connection/listMessages?${query.toString()}`;
        const { messages } = (await (await fetch(url, { method: 'POST', body })).json()) as { messages: Frame[] };
        all.push(...messages);
        if (messages.length < 100) return all;
      }
    }

    it('chats: history, echo, who types, reactions', async () => {
      const name = newChannel();
      const messages = {
        chat: { publish: true, echo: true, store: 600, react: ['👍'] },
        'hotsock.messageReaction': { echo: true },
        'is-typing': { publish: true },
      };
      const claims = { [name]: { subscribe: true, historyStart: 0, messages } };
      const [jim, pam] = [page('jim', claims), page('pam', claims)];
      const story: string[] = [];
      for (const [who, made] of [
        ['jim', jim],
        ['pam', pam],
      ] as const) {
        const room = made.channels(name);
        room.bind('hotsock.subscribed', () => story.push(`${who} is in`));
        room.bind('chat', ({ data, meta }) => story.push(`${who} hears ${meta.uid}: ${data}`));
        room.bind('is-typing', ({ meta }) => story.push(`${who} sees ${meta.uid} type`));
        room.bind(/^hotsock.messageReaction/, ({ data, meta }) =>
          story.push(`${who} sees ${meta.uid} ${data.action} ${data.reaction}`),
        );
      }
      await eventually(() => expect(story.sort()).toEqual(['jim is in', 'pam is in']));
      jim.channels(name).sendMessage('is-typing');
      jim.channels(name).sendMessage('chat', { data: 'hi' });
      await eventually(() =>
        expect(story.sort().slice(2)).toEqual(['pam hears jim: hi', 'pam is in', 'pam sees jim type']),
      );
      expect(story).toContain('jim hears jim: hi');
      const [message] = await load(pam, name);
      expect(message).toMatchObject({ event: 'chat', data: 'hi', meta: { uid: 'jim' } });
      const data = { messageId: message.id, reaction: '👍', action: 'add' };
      pam.sendRawMessage(JSON.stringify({ event: 'hotsock.messageReaction', channel: name, data }));
      await eventually(() =>
        expect(story).toEqual(expect.arrayContaining(['jim sees pam add 👍', 'pam sees pam add 👍'])),
      );
      // Told first, saved a moment later.
      await eventually(async () => {
        const [{ reactions }] = await load(jim, name);
        expect(reactions).toMatchObject({ '👍': { count: 1, items: [{ uid: 'pam' }] } });
      });
    });

    it('keeps a list that is made of stored messages, of more than a page', async () => {
      const name = newChannel();
      const kind = { publish: true, echo: true, store: 600 };
      const messages = { 'add-item': kind, 'toggle-item': kind, 'delete-item': kind };
      await place().testbed.store(name, ...Array.from({ length: 104 }, (_, n) => n));
      const made = page('alice', { [name]: { subscribe: true, historyStart: 0, messages } });
      const events: string[] = [];
      const loaded = new Promise<Frame[]>((resolve) =>
        made.bind('hotsock.subscribed', () => resolve(load(made, name)), { channel: name }),
      );
      for (const event of Object.keys(messages)) made.bind(event, () => events.push(event), { channel: name });
      expect(await loaded).toHaveLength(104);
      for (const event of Object.keys(messages)) made.sendMessage(event, { channel: name, data: { item: 1 } });
      await eventually(() => expect(events).toEqual(Object.keys(messages)));
      expect(await load(made, name)).toHaveLength(107);
    });

    it('shows a dashboard and notifications: messages of a server, by alias, without asking', async () => {
      const [values, inbox] = [newChannel(), newChannel()];
      const made = page('bob', {
        [values]: { subscribe: true },
        [inbox]: { alias: 'notifications', autoSubscribe: true, historyStart: 0 },
      });
      const heard: Frame[] = [];
      made.channels(values).bind('values', (frame) => heard.push(frame));
      made.channels('notifications').bind('note', (frame) => heard.push(frame));
      await eventually(() => {
        const states = Object.values(made.activeConnection.channels).map(({ name, state }) => `${name} ${state}`);
        expect(states.sort()).toEqual([`${values} subscribeConfirmed`, `${inbox} subscribeConfirmed`].sort());
      });
      expect(made.activeConnection.find('notifications')).toMatchObject({ name: inbox, autoSubscribed: true });
      await place().testbed.publish(
        { channel: values, event: 'values', data: { cpu: 7 } },
        { channel: inbox, event: 'note', data: 'now', store: 600 },
      );
      await eventually(() =>
        expect(heard.map(({ channel, meta }) => [channel, meta]).sort()).toEqual(
          [
            [values, undefined],
            [inbox, undefined],
          ].sort(),
        ),
      );
      expect((await load(made, 'notifications')).map(({ data }) => data)).toEqual(['now']);
    });
  });
}
