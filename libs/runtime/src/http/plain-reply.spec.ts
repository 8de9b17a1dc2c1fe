import { ProtocolError, rateLimited } from '@hearth/protocol';
import { sendError } from './http-errors';
import { PlainReply } from './plain-reply';

it.each<[string, boolean, ProtocolError]>([
  ['a wrong key', true, new ProtocolError('UNAUTHORIZED', 'the API key is not valid')],
  ['an address that has shown too many', true, rateLimited('addressRefusals', 1_000)],
  ['a good key over its own rate', false, rateLimited('apiKeyMessages', 1_000)],
])('%s is refused as somebody unknown: %s', (_, isRefusal, error) => {
  const reply = new PlainReply(() => undefined, undefined as never);
  sendError(reply, error, undefined as never);
  expect(reply.isRefusal).toBe(isRefusal);
});
