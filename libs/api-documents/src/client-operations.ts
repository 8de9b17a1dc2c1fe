import type { ErrorCode } from '@hearth/protocol';
import { answers, refusals, takes, type Operation } from './operations';

/** Operations of clients (client-http-api §2). */

function asks(
  operationId: string,
  summary: string,
  [body, status, result]: readonly [body: string, status: '200' | '202', result: string],
  codes: readonly ErrorCode[],
): Readonly<Record<string, { readonly post: Operation }>> {
  const common: readonly ErrorCode[] = ['UNAUTHORIZED', 'MISSING_FIELD', 'INVALID_TYPE', 'INVALID_CHANNEL'];
  const post = {
    operationId,
    summary,
    tags: ['client'],
    security: [{ connectionId: [], connectionSecret: [] }],
    requestBody: takes(body),
    responses: {
      [status]: answers(result, status === '202' ? 'It is durably accepted.' : 'What there is.'),
      ...refusals([...common, 'PAYLOAD_TOO_LARGE', 'NOT_IMPLEMENTED', ...codes]),
    },
  };
  return { [`/connection/${operationId}`]: { post } };
}

const REACTION_ERRORS: readonly ErrorCode[] = [
  'INVALID_REACTION',
  'REACTION_PERMISSION_DENIED',
  'REACTION_USER_ID_REQUIRED',
  'MESSAGE_NOT_FOUND',
];
const SCHEDULE_ERRORS: readonly ErrorCode[] = ['INVALID_SCHEDULE', 'SCHEDULE_PERMISSION_DENIED'];

export const CLIENT_PATHS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  ...asks('listMessages', 'A page of history', ['ListMessages', '200', 'Messages'], ['NOT_SUBSCRIBED']),
  ...asks(
    'publishMessage',
    'Publish a message, or react to one',
    ['PublishMessage', '202', 'PublishedMessage'],
    [
      'INVALID_EVENT',
      'DATA_TOO_LARGE',
      'NOT_SUBSCRIBED',
      'PUBLISH_PERMISSION_DENIED',
      ...SCHEDULE_ERRORS,
      ...REACTION_ERRORS,
    ],
  ),
  ...asks(
    'listReactions',
    'Reactions to a message',
    ['ListReactions', '200', 'Reactions'],
    ['NOT_SUBSCRIBED', 'MESSAGE_NOT_FOUND'],
  ),
  ...asks(
    'channelStorageGet',
    'A storage entry',
    ['StorageGet', '200', 'StorageData'],
    ['INVALID_STORAGE_KEY', 'STORAGE_PERMISSION_DENIED'],
  ),
  ...asks(
    'channelStorageSet',
    'Set or clear a storage entry',
    ['ClientStorageSet', '202', 'StorageAccepted'],
    ['INVALID_STORAGE_KEY', 'STORAGE_PERMISSION_DENIED', 'DATA_TOO_LARGE', ...SCHEDULE_ERRORS],
  ),
  ...asks(
    'channelStorageList',
    'Storage entries that may be read',
    ['StorageList', '200', 'StorageEntries'],
    ['INVALID_STORAGE_KEY', 'STORAGE_PERMISSION_DENIED'],
  ),
  ...asks(
    'getChannelInfo',
    'Subscriptions and members of a channel',
    ['GetChannelInfo', '200', 'ClientChannelInfo'],
    ['GET_INFO_PERMISSION_DENIED'],
  ),
  ...asks(
    'umdUpdate',
    'Change user metadata',
    ['UmdUpdate', '200', 'UmdUpdated'],
    ['INVALID_UMD_TOKEN', 'UMD_UPDATE_PERMISSION_DENIED', 'NOT_SUBSCRIBED', 'PRESENCE_CHANNEL_CAPACITY_REACHED'],
  ),
};
