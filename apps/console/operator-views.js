/**
 * What an operator can look at. A view has `fields` (what narrows it), `page` (asks for a part, behind `after`, of what it lists)
 * and `show` (what a line says, what is behind it, and what can be done). One that `isLive` is one page, which is kept up to date.
 *
 * @typedef {import('./management-api.js').ManagementApi} ManagementApi
 * @typedef {Record<string, string>} Fields
 * @typedef {{ entries: object[], next: string | null, complete?: boolean, note?: string }} Page
 * @typedef {{ label: string, isFinal?: boolean, run: (api: ManagementApi) => Promise<unknown> }} Action `isFinal`: nothing brings
 *   back what it ends, so it is asked for twice and takes the line away
 * @typedef {{ label: string, view: string, fields: Fields }} Link to another view
 * @typedef {{ name: string, line: string, details?: (api: ManagementApi) => unknown, action?: Action, links?: Link[] }} Shown
 * @typedef {{ one: string, many: string, fields: Record<string, string>, page: (api: ManagementApi, fields: Fields,
 *   after: string | null) => Promise<Page>, show: (entry: object, fields: Fields) => Shown, isLive?: boolean }} View
 */

/** @returns {View['page']} of a list of the management API */
const pageOf = (path, member) => async (api, fields, after) => {
  const answer = await api.call('GET', [path], { ...fields, after: after ?? '' });
  return { entries: answer[member], next: answer.next, complete: answer.complete };
};

/** @type {Record<string, View>} */
export const VIEWS = {
  channels: {
    one: 'channel',
    many: 'channels',
    fields: { prefix: 'Prefix' },
    page: pageOf('channels', 'channels'),
    show: ({ name, subscriptionsCount, membersCount }) => ({
      name,
      line: `${subscriptionsCount} subscribed${membersCount === undefined ? '' : `, ${counted(membersCount, 'member')}`}`,
      details: (api) => api.call('GET', ['channels', name]),
      links: [
        ...(membersCount === undefined ? [] : [{ label: 'Members', view: 'members', fields: { channel: name } }]),
        { label: 'Connections', view: 'connections', fields: { channel: name } },
        { label: 'Stored messages', view: 'messages', fields: { channel: name } },
      ],
    }),
  },
  members: {
    one: 'member now',
    many: 'members now',
    isLive: true,
    fields: { channel: 'Presence channel' },
    page: async (api, { channel }) => {
      if (channel === '') return { entries: [], next: null, note: 'Which channel?' };
      const { members, subscriptionsCount } = await api.call('GET', ['channels', channel]);
      const note = members === undefined ? `No presence channel, ${subscriptionsCount} subscribed` : undefined;
      return { entries: members ?? [], next: null, note };
    },
    show: (member, { channel }) => ({
      name: member.uid ?? 'no uid',
      line: member.umd == null ? '' : JSON.stringify(member.umd),
      details: () => member,
      links: [{ label: 'Connections', view: 'connections', fields: { uid: member.uid ?? '', channel } }],
    }),
  },
  connections: {
    one: 'connection',
    many: 'connections',
    fields: { uid: 'uid', channel: 'Channel' },
    page: pageOf('connections', 'connections'),
    show: ({ id, uid, transport, sourceIp, subscriptionsCount, connectedAt }) => ({
      name: id,
      line: `${uid ?? 'no uid'} · ${transport} · ${sourceIp} · ${counted(subscriptionsCount, 'channel')} · since ${connectedAt}`,
      details: (api) => api.call('GET', ['connections', id]),
      action: { label: 'Disconnect', isFinal: true, run: (api) => api.call('DELETE', ['connections', id]) },
    }),
  },
  messages: {
    one: 'message',
    many: 'messages',
    fields: { channel: 'Channel' },
    page: async (api, { channel }, before) => {
      if (channel === '') return { entries: [], next: null, note: 'Which channel?' };
      const query = { reverse: 'true', before: before ?? '' };
      const { messages, next } = await api.call('GET', ['channels', channel, 'messages'], query);
      return { entries: messages, next };
    },
    show: (message) => ({
      name: message.event,
      line: `${message.meta.uid ?? 'server'} · ${JSON.stringify(message.data)}`,
      details: () => message,
      links: [{ label: 'Who got it?', view: 'delivery', fields: { channel: message.channel, id: message.id } }],
    }),
  },
  schedules: {
    one: 'schedule',
    many: 'schedules',
    fields: { channel: 'Channel' },
    page: pageOf('schedules', 'schedules'),
    show: ({ id, channel, event, at, uid }) => ({
      name: id,
      line: `${channel} · ${event ?? ''} · ${at}${uid === null ? '' : ` · ${uid}`}`,
      details: (api) => api.call('GET', ['schedules', id]),
      action: { label: 'Cancel', isFinal: true, run: (api) => api.call('DELETE', ['schedules', id]) },
    }),
  },
  deadLetters: {
    one: 'dead letter',
    many: 'dead letters',
    fields: { target: 'Target' },
    page: pageOf('dead-letters', 'deadLetters'),
    show: ({ id, target, type, channel, attempts, lastError, retryRequestedAt }) => ({
      name: type,
      line: `${channel ?? ''} · to ${target} · ${counted(attempts, 'attempt')} · ${lastError ?? ''}${
        retryRequestedAt === null ? '' : ' · is sent again'
      }`,
      details: async (api) => {
        const { payload, ...letter } = await api.call('GET', ['dead-letters', id]);
        return { ...letter, payload: parsed(payload) };
      },
      action: { label: 'Send again', run: (api) => api.call('POST', ['dead-letters', id, 'retry']) },
    }),
  },
  delivery: {
    one: 'connection',
    many: 'connections',
    fields: { channel: 'Channel', id: 'Message id (none: the newest)', uid: 'uid', connectionId: 'or connection id' },
    page: async (api, { channel, id, uid, connectionId }) => {
      const isAsked = channel !== '' && (uid !== '' || connectionId !== '');
      if (!isAsked)
        return { entries: [], next: null, note: 'Which message of which channel, and who should have got it?' };
      const path = ['channels', channel, 'messages', id === '' ? 'last' : id, 'delivery'];
      const { message, connections, complete } = await api.call('GET', path, { uid, connectionId });
      return { entries: connections, next: null, complete, note: sentenceOf(message, connections.length) };
    },
    show: (trace, { channel }) => ({ name: trace.id, line: reasonOf(trace, channel), details: () => trace }),
  },
};

const counted = (count, what) => `${count} ${what}${count === 1 ? '' : 's'}`;

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function sentenceOf({ event, position, isDelivered, isStored, at }, count) {
  if (!isDelivered && !isStored) {
    return 'There is no such message: never accepted in this channel, a repeat, or gone since.';
  }
  const places = [
    isDelivered ? `passed on at position ${position}` : 'passed on long ago',
    isStored ? 'stored' : 'not stored',
  ];
  const head = `${event ?? 'A message'} of ${at}: ${places.join(', ')}.`;
  if (count > 0) return head;
  return `${head} No such connection is open or ended lately: it was away.`;
}

/** @returns {string} why somebody got a message, or not (management-api §2) */
function reasonOf(trace, channel) {
  const { end } = trace;
  if (end === null) return verdictOf(trace, channel);
  const how = end.code === null ? 'by its client or the network' : `with ${end.code} ${end.reason}`;
  return `${verdictOf(trace, channel)} Ended at ${end.at} ${how}.`;
}

function verdictOf({ verdict, maySubscribe, waitingBytes, subscribedAt, end }, channel) {
  switch (verdict) {
    case 'sent':
      return waitingBytes === 0
        ? 'Got it: it was written to its socket.'
        : `Written to its socket, which ${waitingBytes} bytes have not left: the client, or its network, is slow.`;
    case 'subscribedLater':
      return `Subscribed later, at ${subscribedAt}: it came only if the client resumed from before.`;
    case 'notSubscribed':
      if (end !== null) return `Was not subscribed to ${channel}.`;
      return `Not subscribed to ${channel}, ${maySubscribe ? 'though its token allows it.' : 'and its token does not allow it.'}`;
    case 'own':
      return 'Published it, and its token has no echo for the event.';
    case 'catchingUp':
      return end === null ? 'Is still being sent what it missed.' : 'Was still being sent what it missed.';
    case 'notHere':
      return 'Its gateway has not got it yet.';
    case 'endedBefore':
      return 'Was gone before it came.';
    default:
      return 'Nobody can have got it.';
  }
}
