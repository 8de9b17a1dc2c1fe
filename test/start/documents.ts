import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** A block of code of a document. */
export interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
  /** Whether it goes on from the one before it: it imports nothing, and the page has begun. */
  readonly before: readonly Block[];
}

/** What people are told to type: the documents, but not the specification of the protocol, and not what has changed. */
export const pages = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !/node_modules|^dist|^docs\/spec|^CHANGELOG|\/\.|^\./.test(path))
  .sort();

export const blocks = pages.flatMap((page) => {
  const inPage: Block[] = [];
  for (const [, language = '', text = ''] of readFileSync(join(root, page), 'utf8').matchAll(
    /^```(\w+)\n([^]*?)^```$/gm,
  )) {
    const before = language === 'ts' && !/^import /m.test(text) ? inPage.filter((one) => one.language === 'ts') : [];
    const from = before.findLastIndex((one) => /^import /m.test(one.text));
    inPage.push({ page, language, text, before: before.slice(Math.max(0, from)) });
  }
  return inPage;
});

/** How a block is run, where that is not: in a shell or with Node.js, to a good end. */
export interface Way {
  /** Where it is, and a piece of it that no other block of the page has. */
  readonly page: string;
  readonly has: string;
  /** Not here: why, or which test does it. */
  readonly instead?: string;
  /** Code in front, and behind. */
  readonly before?: string;
  readonly after?: string;
  /** It does not end: it is ended when it has said this. Its lines run side by side. */
  readonly until?: RegExp;
}

const LOCATION = `const location = { reload() { throw new Error('something was missed'); } };`;
const TOKEN = `const token = process.env.TOKEN ?? '';`;
const FETCH_TOKEN = `const fetch = async (_path: string) => new Response(process.env.TOKEN);`;
const SHOW = `const show = ({ data }: { data: unknown }) => console.log('shown:', JSON.stringify(data));`;
const LEAVE = `process.exit();`;
const ONE_CONTAINER = 'needs Docker; test/deploy compares the files and runs the images';

export const ways: readonly Way[] = [
  { page: 'CONTRIBUTING.md', has: 'npm run start:dev', instead: 'the commands of a day: .ci/run has them' },
  ...['npm ci', 'npx wscat', 'curl -X POST', 'listMessages', 'npx hearth'].map((has) => ({
    ...{ page: 'README.md', has, instead: 'test/start/readme.spec.ts' },
  })),
  { page: 'README.md', has: 'const points', instead: 'test/gateway/resume-points.spec.ts' },
  {
    ...{ page: 'README.md', has: `from '@hearth/client'` },
    ...{ before: `${LOCATION}\n${TOKEN}`, until: /^hello$/m },
  },
  {
    ...{ page: 'README.md', has: 'lambdaClient' },
    before: `import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';`,
  },
  { page: 'docs/channels.md', has: 'let point', instead: 'test/gateway/resume.spec.ts' },
  { page: 'docs/channels.md', has: 'socket.send(', before: 'const socket = { send: JSON.parse };' },
  { page: 'docs/channels.md', has: 'npx hearth subscribe', until: /"hotsock\.memberAdded"/ },
  { page: 'docs/cli.md', has: 'until npx', until: /"hotsock\.subscribed"/ },
  { page: 'docs/client.md', has: 'npm install', instead: 'test/client/package.spec.ts' },
  { page: 'docs/client.md', has: 'interface Channels', before: `${LOCATION}\n${FETCH_TOKEN}`, after: LEAVE },
  {
    ...{ page: 'docs/client.md', has: 'for await' },
    ...{ before: `${LOCATION}\n${FETCH_TOKEN}\n${SHOW}`, until: /^shown: \{"text":"hello"\}$/m },
  },
  {
    ...{ page: 'docs/client.md', has: 'useHistory', before: `import { createElement } from 'react';` },
    after: `
      import { renderToString } from 'react-dom/server';
      import { createTestClient } from '@hearth/client/test';
      const room = createElement(Room, { name: 'room.1' });
      const page = renderToString(createElement(HearthProvider, { client: createTestClient() }, room));
      if (!page.includes('<ul>')) throw new Error(page);`,
  },
  {
    page: 'docs/client.md',
    has: 'createTestClient',
    before: 'const render = (client) => client.channel("room.1").hold();',
  },
  { page: 'docs/deploy.md', has: 'docker compose up --build', instead: ONE_CONTAINER },
  { page: 'docs/deploy.md', has: 'docker run', instead: ONE_CONTAINER },
  { page: 'docs/deploy.md', has: 'docker compose exec', instead: ONE_CONTAINER },
  { page: 'docs/deploy.md', has: '--scale', instead: ONE_CONTAINER },
  { page: 'docs/deploy.md', has: 'docker-compose.cluster.yml', instead: ONE_CONTAINER },
  {
    page: 'docs/management.md',
    has: '/dead-letters/',
    instead: 'nothing has failed here: test/webhooks/failures.spec.ts',
  },
  { page: 'examples/browser/README.md', has: 'npm run examples', instead: 'test/browser/browser.spec.ts' },
  { page: 'docs/reliability.md', has: 'npm run chaos', instead: 'takes hours; CI runs its parts' },
  { page: 'docs/server-sdk.md', has: 'npm install', instead: 'test/server-sdk/package.spec.ts' },
  {
    ...{ page: 'docs/server-sdk.md', has: 'instanceof PublishError' },
    before: `
      import { configure } from '@hearth/server-sdk';
      configure({ publishHttpApiUrl: 'http://localhost:8080/publish', httpApiKey: process.env.HTTP_API_KEY });`,
  },
  { page: 'docs/server-sdk.md', has: 'verifyWebhook', after: LEAVE },
  { page: 'docs/webhooks.md', has: 'createServer', instead: 'test/webhooks/docs.spec.ts' },
  { page: 'docs/webhooks.md', has: 'http.server', instead: 'test/webhooks/docs.spec.ts' },
  {
    page: 'docs/webhooks.md',
    has: 'npm start',
    instead: 'test/start starts with these settings; test/webhooks has the rest',
  },
  { page: 'docs/webhooks.md', has: 'dead-letters', instead: 'nothing has failed here: test/webhooks/failures.spec.ts' },
  { page: 'examples/publish/README.md', has: 'keys()', instead: 'test/examples/publish.spec.ts' },
  { page: 'libs/client/README.md', has: 'HearthClient', before: `${LOCATION}\n${FETCH_TOKEN}`, after: LEAVE },
  { page: 'libs/server-sdk/README.md', has: 'npm install', instead: 'test/server-sdk/package.spec.ts' },
];

export const wayOf = (block: Block): Way | undefined =>
  ways.find(({ page, has }) => page === block.page && block.text.includes(has));
