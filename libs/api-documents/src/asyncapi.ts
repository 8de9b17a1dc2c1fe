import { BACKEND_EVENTS, cloudEvent } from './event-schemas';
import { CLIENT_FRAMES, SERVER_FRAMES } from './frame-schemas';
import { componentSchemas, withIds, type Exactness, type JsonSchema } from './json-schemas';
import * as texts from './texts';

/** Where backend events are on NATS (pubsub-events §4.2). */
const EVENTS_ADDRESS = 'hearth.events.v1.{dataType}.{typeName}.{channelToken}';

type Named = Readonly<Record<string, object>>;

const messagesOf = (names: readonly string[]): JsonSchema =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]));

function operation(action: 'send' | 'receive', channel: string, summary: string, messages: readonly string[]) {
  return {
    action,
    summary,
    channel: { $ref: `#/channels/${channel}` },
    messages: messages.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` })),
  };
}

const event = (name: string): string => `${name}Event`;
const EVENT_MESSAGES: Named = {
  ...Object.fromEntries(Object.entries(BACKEND_EVENTS).map(([dataType, schema]) => [event(dataType), schema])),
  cloudEvent,
};

/**
 * Frames of the socket and backend events on NATS, as AsyncAPI 3.
 *
 * @param wsUrl where sockets connect
 */
export function asyncApiDocument(version: string, wsUrl: string, exactness: Exactness = 'served'): JsonSchema {
  const { host, pathname, protocol } = new URL(wsUrl);
  const all = { ...SERVER_FRAMES, ...CLIENT_FRAMES, ...EVENT_MESSAGES } as Parameters<typeof componentSchemas>[0];
  return {
    asyncapi: '3.0.0',
    info: { title: 'Hearth', version, license: { name: 'MIT' } },
    defaultContentType: 'application/json',
    servers: {
      socket: { host, protocol: protocol.slice(0, -1) },
      nats: { host: 'nats:4222', protocol: 'nats', description: 'The NATS server of the installation.' },
    },
    channels: {
      socket: {
        address: pathname,
        servers: [{ $ref: '#/servers/socket' }],
        description: 'A WebSocket; the connect token is the query member token.',
        messages: messagesOf([...Object.keys(SERVER_FRAMES), ...Object.keys(CLIENT_FRAMES)]),
      },
      events: {
        address: EVENTS_ADDRESS,
        servers: [{ $ref: '#/servers/nats' }],
        parameters: {
          dataType: { description: 'Shape of the event.', enum: Object.keys(BACKEND_EVENTS) },
          typeName: { description: 'type without hotsock.' },
          channelToken: { description: 'The channel, percent-encoded; ~ where there is none.' },
        },
        messages: messagesOf(Object.keys(EVENT_MESSAGES)),
      },
    },
    operations: {
      toClient: operation('send', 'socket', 'What clients get', Object.keys(SERVER_FRAMES)),
      fromClient: operation('receive', 'socket', 'What clients may send', Object.keys(CLIENT_FRAMES)),
      toBackend: operation('send', 'events', 'What backends are told', Object.keys(EVENT_MESSAGES)),
    },
    components: {
      messages: Object.fromEntries(
        Object.keys(all).map((name) => [name, { name, payload: { $ref: `#/components/schemas/${name}` } }]),
      ),
      schemas: componentSchemas({ ...withIds(texts), ...all }, exactness, 'draft-7'),
    },
  };
}
