import type { StoredEvent } from './backend';

/** The form of single events: envelope, subject and headers (pubsub-events §1, §3, §4.2, §4.3). */

interface Form {
  readonly dataType: string;
  /** Besides the versions: those that must be there, and those that may. */
  readonly metadata: readonly string[];
  readonly optional: readonly string[];
  /** Members of `data`, likewise. */
  readonly data: readonly string[];
  readonly optionalData: readonly string[];
}

const ORIGIN = ['connectionId', 'sourceIp', 'userAgent'];

function form(
  dataType: string,
  metadata: string[],
  data: string[],
  optional: string[] = [],
  optionalData: string[] = [],
) {
  return { dataType, metadata, optional, data, optionalData };
}

const CONNECTION_DATA = ['id', 'connectedAt', 'disconnectedAt', 'keepAlive', 'sourceIp', 'uid', 'umd', 'userAgent'];
const CONNECTION = form('connection', [], CONNECTION_DATA, ['reason']);
const SUBSCRIPTION = form('subscription', ['channel'], ['channel', 'connectionId', 'uid', 'umd']);
const MEMBER = form('channelMember', ['channel'], ['uid', 'umd', 'members']);
const REACTION = form(
  'messageReaction',
  ['channel', 'reaction', 'requestId', 'trigger'],
  ['channel', 'messageId', 'id', 'reaction', 'uid', 'umd', 'createdAt', 'expiresAt'],
  ORIGIN,
);

/** All thirteen types, without their prefix. */
const FORMS: Readonly<Record<string, Form>> = {
  connected: CONNECTION,
  disconnected: CONNECTION,
  connectionUpdated: CONNECTION,
  subscribed: SUBSCRIPTION,
  unsubscribed: SUBSCRIPTION,
  channelUpdated: form('channel', ['channel'], ['name', 'subscriptionsCount']),
  memberAdded: MEMBER,
  memberUpdated: MEMBER,
  memberRemoved: MEMBER,
  messagePublished: form(
    'message',
    ['channel', 'event', 'trigger', 'requestId'],
    ['channel', 'event', 'id', 'data'],
    ORIGIN,
    ['meta'],
  ),
  channelStorageUpdated: form(
    'channelStorage',
    ['channel', 'key', 'trigger'],
    ['channel', 'key', 'data', 'dataPrevious', 'expiresAt', 'meta'],
    ORIGIN,
    ['expired'],
  ),
  messageReactionAdded: REACTION,
  messageReactionRemoved: REACTION,
};

/** Without their prefix. */
export const EVENT_TYPES: readonly string[] = Object.keys(FORMS);

const VERSIONS = ['hotsockVersion', 'hearthVersion'];
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** @returns what is wrong with an event's form, in words; nothing when it is as specified */
export function malformations({ subject, headers, envelope }: StoredEvent): string[] {
  const name = String(envelope.type).replace(/^hotsock\./, '');
  const form = FORMS[name];
  if (form === undefined) return [`unknown type ${envelope.type}`];
  const { dataType } = form;
  const metadata = envelope.metadata as Record<string, unknown>;
  const channel = metadata.channel as string | undefined;
  const expectedSubject = `hearth.events.v1.${dataType}.${name}.${channel === undefined ? '~' : encoded(channel)}`;
  const wrong = [
    ...differences('members', Object.keys(envelope), ['source', 'type', 'metadata', 'data', 'dataType'], []),
    ...differences('metadata', Object.keys(metadata), [...VERSIONS, ...form.metadata], form.optional),
    ...differences('data', Object.keys(envelope.data), form.data, form.optionalData),
    ...differences('headers', Object.keys(headers), expectedHeaders(dataType, metadata), []),
    ...Object.keys(metadata)
      .filter((key) => typeof metadata[key] !== 'string')
      .map((key) => `metadata.${key} is no string`),
  ];
  if (envelope.source !== 'hotsock.v1') wrong.push(`source ${envelope.source}`);
  if (envelope.dataType !== dataType) wrong.push(`dataType ${envelope.dataType}`);
  if (subject !== expectedSubject) wrong.push(`subject ${subject}`);
  if (channel !== (envelope.data.channel ?? envelope.data.name ?? channel)) wrong.push('data is of another channel');
  if (!ULID.test(headers['Nats-Msg-Id']?.[0] ?? '')) wrong.push('Nats-Msg-Id is no ULID');
  const values: Record<string, unknown> = {
    ...metadata,
    source: envelope.source,
    type: envelope.type,
    dataType: envelope.dataType,
  };
  for (const [header, all] of Object.entries(headers)) {
    if (all.length !== 1) wrong.push(`${header} has ${all.length} values`);
    if (header === 'Nats-Msg-Id') continue;
    const value = String(values[memberOf(header)]);
    const expected = /-(Source|Type|Data-Type)$/.test(header) ? value : encoded(value);
    if (all[0] !== expected) wrong.push(`${header} is ${all[0]}`);
  }
  return wrong;
}

function differences(what: string, present: readonly string[], needed: readonly string[], allowed: readonly string[]) {
  const missing = needed.filter((key) => !present.includes(key)).map((key) => `${what} lacks ${key}`);
  const extra = present.filter((key) => !needed.includes(key) && !allowed.includes(key));
  return [...missing, ...extra.map((key) => `${what} has ${key}`)];
}

/** Source, type, data type and all metadata but the versions; of storage events channel, key and trigger only. */
function expectedHeaders(dataType: string, metadata: Record<string, unknown>): string[] {
  const told = Object.keys(metadata).filter(
    (key) => !VERSIONS.includes(key) && (dataType !== 'channelStorage' || ['channel', 'key', 'trigger'].includes(key)),
  );
  return ['Nats-Msg-Id', ...['source', 'type', 'dataType', ...told].map(headerOf)];
}

/** `connectionId` → `Hearth-Connection-Id` */
function headerOf(member: string): string {
  return `Hearth-${member.charAt(0).toUpperCase()}${member.slice(1).replace(/[A-Z]/g, '-$&')}`;
}

/** `Hearth-Connection-Id` → `connectionId` */
function memberOf(header: string): string {
  const joined = header.slice('Hearth-'.length).replaceAll('-', '');
  return joined.charAt(0).toLowerCase() + joined.slice(1);
}

function encoded(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/gu, (character) =>
    [...Buffer.from(character, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
