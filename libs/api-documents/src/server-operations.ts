import type { ErrorCode } from '@hearth/protocol';
import {
  answers,
  jsonBody,
  pathParameter,
  queryParameter,
  ref,
  refusals,
  RETRY_AFTER,
  takes,
  type Operation,
} from './operations';
import type { JsonSchema } from './json-schemas';

/** Operations of backends and operators (publish-api §1, §7, §11, management-api §2–§4). */

const API_KEY: Operation['security'] = [{ apiKey: [] }];
const API_KEY_OR_ADMIN: Operation['security'] = [{ apiKey: [] }, { adminToken: [] }];

const WARNING: JsonSchema = {
  'Hearth-Warning': {
    description: 'Members of the message that are not known, and the names that were most likely meant.',
    schema: { type: 'string' },
  },
};
const DOCUMENT_ERRORS: readonly ErrorCode[] = [
  'MISSING_FIELD',
  'INVALID_TYPE',
  'INVALID_CHANNEL',
  'INVALID_EVENT',
  'INVALID_DEDUPLICATION_ID',
  'INVALID_STORE',
  'INVALID_STORAGE_KEY',
  'INVALID_SCHEDULE',
  'INVALID_REACTION',
  'UNKNOWN_FIELD',
  'UNAUTHORIZED',
  'MESSAGE_NOT_FOUND',
  'DATA_TOO_LARGE',
  'PAYLOAD_TOO_LARGE',
];

const channelParameter = pathParameter('name', 'Name of the channel, percent-encoded.', {
  $ref: '#/components/schemas/ChannelName',
});
const limit = queryParameter('limit', 'Items of one page.', {
  type: 'integer',
  minimum: 1,
  maximum: 1000,
  default: 100,
});
const after = queryParameter('after', 'Only what comes behind it.');

const publish: Operation = {
  operationId: 'publish',
  summary: 'Publish a message',
  tags: ['publish'],
  security: API_KEY,
  requestBody: takes('MessageDocument'),
  responses: {
    '202': answers('Accepted', 'It is durably queued.', WARNING),
    ...refusals(DOCUMENT_ERRORS),
  },
};

const publishBatch: Operation = {
  operationId: 'publishBatch',
  summary: 'Publish up to 100 messages, all of them or none',
  tags: ['publish'],
  security: API_KEY,
  requestBody: takes('MessageBatch'),
  responses: {
    '202': answers('AcceptedBatch', 'In the order of the messages.', WARNING),
    ...refusals(DOCUMENT_ERRORS),
  },
};

const invocation: Operation = {
  operationId: 'invoke',
  summary: 'Publish a message as AWS SDKs invoke a function',
  tags: ['publish'],
  security: [{ awsSignature: [] }],
  parameters: [
    pathParameter('functionName', 'Name or ARN of the publish function.'),
    queryParameter('Qualifier', 'Nothing but $LATEST.'),
    {
      name: 'X-Amz-Invocation-Type',
      in: 'header',
      required: false,
      schema: { enum: ['RequestResponse', 'Event', 'DryRun'], default: 'RequestResponse' },
    },
  ],
  requestBody: takes('MessageDocument', false),
  responses: {
    '200': {
      description: 'RequestResponse: accepted; or, with x-amz-function-error, refused.',
      headers: WARNING,
      content: {
        'application/json': {
          schema: {
            anyOf: [{ $ref: '#/components/schemas/Accepted' }, { $ref: '#/components/schemas/FunctionError' }],
          },
        },
      },
    },
    '202': answers(undefined, 'Event: taken, or dropped as invalid.', WARNING),
    '204': answers(undefined, 'DryRun: nothing was published.'),
    ...Object.fromEntries(
      ['403', '413', '415', '429', '500'].map((status) => [
        status,
        answers('AwsError', 'See x-amzn-errortype.', status === '429' ? RETRY_AFTER : undefined),
      ]),
    ),
    // What cannot be known as an invocation, or is not taken here, is refused as anything else would be.
    ...Object.fromEntries(
      ['400', '404'].map((status) => [
        status,
        {
          description: 'See x-amzn-errortype; without it, the request is not understood as one of these.',
          ...jsonBody({ anyOf: [ref('AwsError'), ref('ErrorBody')] }),
        },
      ]),
    ),
  },
};

const reads = (
  operationId: string,
  summary: string,
  tag: string,
  result: string,
  parameters: readonly JsonSchema[],
  codes: readonly ErrorCode[] = [],
): Operation => ({
  operationId,
  summary,
  tags: [tag],
  security: API_KEY_OR_ADMIN,
  parameters,
  responses: {
    '200': answers(result, 'What there is.'),
    ...refusals(['UNAUTHORIZED', 'NOT_FOUND', 'INVALID_TYPE', 'UNKNOWN_FIELD', 'INVALID_CHANNEL', ...codes]),
  },
});

const orders = (
  operationId: string,
  summary: string,
  body: string,
  success: Readonly<Record<string, JsonSchema>>,
): Operation => ({
  operationId,
  summary,
  tags: ['management'],
  security: API_KEY_OR_ADMIN,
  requestBody: takes(body),
  responses: {
    ...success,
    ...refusals([
      'UNAUTHORIZED',
      'NOT_FOUND',
      'MISSING_FIELD',
      'INVALID_TYPE',
      'INVALID_CHANNEL',
      'INVALID_SELECTOR',
      'UNKNOWN_FIELD',
      'PAYLOAD_TOO_LARGE',
    ]),
  },
});

const removes = (operationId: string, summary: string, parameters: readonly JsonSchema[]): Operation => ({
  operationId,
  summary,
  tags: ['management'],
  security: API_KEY_OR_ADMIN,
  parameters,
  responses: {
    '204': answers(undefined, 'Done.'),
    ...refusals(['UNAUTHORIZED', 'NOT_FOUND', 'INVALID_TYPE', 'UNKNOWN_FIELD']),
  },
});

const idOrArn = pathParameter('id', 'Id or ARN of the schedule.');
const filters = ['uid', 'channel', 'address', 'jti'].map((name) => queryParameter(name, 'Only those that have it.'));
const targets = ['uid', 'jti', 'kid'].map((name) => queryParameter(name, 'Only that of this target.'));

export const SERVER_PATHS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  '/publish': { post: publish },
  '/publish/batch': { post: publishBatch },
  '/2015-03-31/functions/{functionName}/invocations': { post: invocation },
  '/channels': {
    get: reads('listChannels', 'Channels in use, by name', 'management', 'Channels', [
      queryParameter('prefix', 'Only names that begin with it.'),
      limit,
      after,
    ]),
  },
  '/channels/{name}': {
    get: reads('getChannel', 'Subscriptions and members of a channel', 'channels', 'ChannelInfo', [channelParameter]),
  },
  '/channels/{name}/storage': {
    get: reads(
      'listStorage',
      'Storage entries of a channel, by key',
      'channels',
      'StorageEntries',
      [channelParameter, queryParameter('keys', 'Comma-separated, at most 100.'), after],
      ['INVALID_STORAGE_KEY'],
    ),
  },
  '/channels/{name}/messages': {
    get: reads('listChannelMessages', 'Stored messages of a channel, in their order', 'management', 'ChannelMessages', [
      channelParameter,
      queryParameter('reverse', 'The newest first.', { type: 'boolean', default: false }),
      limit,
      after,
      queryParameter('before', 'With reverse: only what comes before it.'),
    ]),
  },
  '/channels/{name}/messages/{id}/delivery': {
    get: reads(
      'traceDelivery',
      'What the connections of a user, or one connection, got of a message',
      'management',
      'Delivery',
      [
        channelParameter,
        pathParameter('id', 'Id of the message; last: the newest.'),
        queryParameter('uid', 'This, or connectionId.'),
        queryParameter('connectionId', 'This, or uid.'),
      ],
      ['MISSING_FIELD', 'INVALID_SELECTOR'],
    ),
  },
  '/dead-letters': {
    get: reads('listDeadLetters', 'Webhooks that were given up, by id', 'management', 'DeadLetters', [
      queryParameter('target', 'Only of this target.'),
      limit,
      after,
    ]),
  },
  '/dead-letters/retry': {
    post: orders('retryDeadLetters', 'Have all of a target, or all, sent again', 'RetryDeadLetters', {
      '202': answers('RetryRequested', 'How many are meant.'),
    }),
  },
  '/dead-letters/{id}': {
    get: reads('getDeadLetter', 'A dead letter and what was sent', 'management', 'DeadLetterDetails', [
      pathParameter('id', 'Its id.'),
    ]),
  },
  '/dead-letters/{id}/retry': {
    post: {
      operationId: 'retryDeadLetter',
      summary: 'Have a dead letter sent again',
      tags: ['management'],
      security: API_KEY_OR_ADMIN,
      parameters: [pathParameter('id', 'Its id.')],
      responses: {
        '202': answers('RetryRequested', 'It will be sent.'),
        ...refusals(['UNAUTHORIZED', 'NOT_FOUND', 'UNKNOWN_FIELD', 'PAYLOAD_TOO_LARGE']),
      },
    },
  },
  '/connections': {
    get: reads('listConnections', 'Open connections, by id', 'management', 'Connections', [...filters, limit, after]),
  },
  '/connections/{id}': {
    get: reads('getConnection', 'A connection and its subscriptions', 'management', 'ConnectionDetails', [
      pathParameter('id', 'Id of the connection.'),
    ]),
    delete: removes('closeConnection', 'Close a connection', [
      pathParameter('id', 'Id of the connection.'),
      queryParameter('reason', 'At most 100 bytes.'),
    ]),
  },
  '/disconnect': {
    post: orders('disconnect', 'Close connections, and refuse them for a while', 'Disconnect', {
      '200': answers('Disconnected', 'How many.'),
    }),
  },
  '/unsubscribe': {
    post: orders('unsubscribe', 'End subscriptions to a channel', 'Unsubscribe', {
      '200': answers('Unsubscribed', 'How many.'),
    }),
  },
  '/schedules': {
    get: reads('listSchedules', 'What waits for its time, by id', 'management', 'Schedules', [
      queryParameter('channel', 'Only of this channel.'),
      limit,
      after,
    ]),
  },
  '/schedules/{id}': {
    get: reads('getSchedule', 'A schedule and its data', 'management', 'ScheduleDetails', [idOrArn]),
    delete: removes('cancelSchedule', 'Cancel a schedule', [idOrArn]),
  },
  '/revocations': {
    get: reads('listRevocations', 'Revocations in force, by id', 'management', 'Revocations', [
      ...targets,
      limit,
      after,
    ]),
    post: orders('revoke', 'Take tokens back', 'Revoke', {
      '200': answers('Revoked', 'It was revoked before.'),
      '201': answers('Revoked', 'See Location.'),
    }),
  },
  '/revocations/{id}': {
    get: reads('getRevocation', 'A revocation', 'management', 'Revocation', [pathParameter('id', 'Its id.')]),
    delete: removes('unrevoke', 'End a revocation', [pathParameter('id', 'Its id.')]),
  },
};
