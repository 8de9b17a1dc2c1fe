import { createElement } from 'react';
import * as hooks from './react';
import { createTestClient } from './test';

const { renderToString } = jest.requireActual<{ renderToString: (element: unknown) => string }>('react-dom/server');

/** What a component shows of a channel whose name it does not know yet. */
function Room({ name }: { name: string }): unknown {
  const channel = hooks.useChannel(name);
  hooks.useEvent(name, 'chat', () => undefined);
  const { members } = hooks.usePresence(name);
  const [topic, , { pending }] = hooks.useStorage(name, 'topic');
  const { status } = hooks.useHistory(name);
  return JSON.stringify([channel, members, topic, pending, status]);
}

it.each(['', null, undefined] as string[])('a page that has no name for its channel yet (%j) is rendered', (name) => {
  const client = createTestClient();
  const room = createElement(Room, { name });
  const text = renderToString(createElement(hooks.HearthProvider as never, { client }, room));
  expect(text.replaceAll('&quot;', '"')).toBe('[null,[],null,false,"loading"]');
  expect(client.server.sent).toEqual([]);
});
