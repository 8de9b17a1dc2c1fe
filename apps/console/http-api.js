/** Operations of the client HTTP API (client-http-api §2). */
export const OPERATIONS = [
  'publishMessage',
  'listMessages',
  'listReactions',
  'channelStorageGet',
  'channelStorageSet',
  'channelStorageList',
  'getChannelInfo',
  'umdUpdate',
];

/**
 * Calls the client HTTP API, which lies beside this page.
 *
 * @param {import('./connection.js').Credentials} credentials
 * @param {string} operation
 * @param {string} body sent as it is
 * @returns {Promise<{ status: number, text: string }>} whatever was answered
 * @throws {Error} when there was no answer
 */
export async function callHttpApi(credentials, operation, body) {
  const url = new URL(`connection/${operation}`, location.href);
  url.searchParams.set('connectionId', credentials.connectionId);
  url.searchParams.set('connectionSecret', credentials.connectionSecret);
  const response = await fetch(url, { method: 'POST', body, credentials: 'omit', referrerPolicy: 'no-referrer' });
  return { status: response.status, text: await response.text() };
}
