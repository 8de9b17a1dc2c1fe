// The backend of the pages in this folder: it serves them, says who may do what (tokens), and publishes what only a
// backend may. `npm run examples` starts it beside a Hearth that runs; nothing here needs a package.
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

const here = import.meta.dirname;
const { HEARTH_DATA_DIR = join(here, '../../.hearth'), PORT = '3000' } = process.env;
/** What an all-in-one keeps in its data folder: its keys, and where it is. */
const kept = (name) => {
  const file = join(HEARTH_DATA_DIR, name);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
};
const keys = kept('keys.json');
const {
  HEARTH_URL = kept('address.json').httpApiUrl ?? 'http://localhost:8080/',
  HEARTH_API_KEY = keys.httpApiKey1,
  HEARTH_SIGNING_SECRET = keys.signingKey?.encoded,
} = process.env;
if (HEARTH_API_KEY === undefined || HEARTH_SIGNING_SECRET === undefined) {
  console.error(
    `No keys in ${HEARTH_DATA_DIR}: start Hearth first (npm start), or set HEARTH_API_KEY and HEARTH_SIGNING_SECRET.`,
  );
  process.exit(1);
}
const hearth = HEARTH_URL.replace(/\/?$/, '/');

const REACTIONS = ['👍', '🎉', '💡'];
/** What a user of these pages may do. In earnest `uid` is the user of your session, and not what a page says. */
const claimsOf = (uid) => ({
  scope: 'connect',
  uid,
  exp: Math.floor(Date.now() / 1000) + 60,
  channels: {
    'presence.lobby': {
      subscribe: true,
      historyStart: 0,
      messages: {
        chat: { publish: true, echo: true, store: 86_400, react: REACTIONS },
        typing: { publish: true },
        'hotsock.messageReaction': { echo: true },
      },
    },
    house: { subscribe: true, storage: { '*': { observe: true }, 'set.*': { observe: true, set: true } } },
    'answers.*': { subscribe: true, historyStart: 0 },
  },
});

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function signed(claims) {
  const text = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(claims)}`;
  return `${text}.${createHmac('sha256', Buffer.from(HEARTH_SIGNING_SECRET, 'base64')).update(text).digest('base64url')}`;
}

async function publish(message) {
  const headers = { authorization: `Bearer ${HEARTH_API_KEY}` };
  const response = await fetch(`${hearth}publish`, { method: 'POST', headers, body: JSON.stringify(message) });
  if (!response.ok) throw new Error(`Hearth answered with ${response.status}: ${await response.text()}`);
}

/** Stands for a language model: words, one after the other. Put the stream of yours here. */
async function* model(question) {
  const text =
    `You asked: “${question.slice(0, 200)}” I am no model, but my words come to you like one's: each is a message ` +
    `of a channel, published as soon as it is there. Every tab that has this address open gets them in the same order. ` +
    `Reload the page while I am talking: what was said comes from the history, what is said comes live, and no word ` +
    `is missing or there twice where the two meet.`;
  for (const word of text.split(/(?<= )/)) {
    await new Promise((resolve) => setTimeout(resolve, 60));
    yield word;
  }
}

/** Publishes an answer word by word. What is stored can be read again by a page that comes later. */
async function answer({ conversation, question }) {
  const channel = `answers.${conversation}`;
  const id = crypto.randomUUID();
  await publish({ channel, event: 'question', data: { id, text: question }, store: 86_400 });
  const say = async () => {
    for await (const text of model(question))
      await publish({ channel, event: 'words', data: { id, text }, store: 86_400 });
    await publish({ channel, event: 'end', data: { id }, store: 86_400 });
  };
  say().catch(console.error);
}

/** The sensor of the dashboard: it comes nearer to what is wanted, and writes what it measures. */
let celsius = 18;
async function measure() {
  const { items } = await fetch(`${hearth}channels/house/storage`, {
    headers: { authorization: `Bearer ${HEARTH_API_KEY}` },
  }).then((response) => response.json());
  const value = (key) => items.find((item) => item.key === key)?.data;
  const goal = value('set.heating') === false ? 15 : (value('set.target') ?? 20);
  celsius = Math.round((celsius + Math.sign(goal - celsius) * Math.min(0.1, Math.abs(goal - celsius))) * 10) / 10;
  await publish({ channel: 'house', event: 'hotsock.channelStorageSet', key: 'celsius', data: celsius });
}

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.mjs': 'text/javascript' };
const FILES = {
  '/': 'index.html',
  '/hearth-client.mjs': '../../dist/examples/hearth-client.mjs',
  ...Object.fromEntries(['/chat.html', '/dashboard.html', '/answers.html', '/style.css'].map((path) => [path, path])),
};

async function respond(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const file = FILES[pathname];
  if (file !== undefined) {
    response.setHeader('content-type', `${TYPES[extname(file)]}; charset=utf-8`);
    return response.end(readFileSync(join(here, file)));
  }
  if (pathname === '/session') {
    const webSocketUrl = `${hearth.replace(/^http/, 'ws')}v1`;
    return response.end(JSON.stringify({ webSocketUrl, token: signed(claimsOf(searchParams.get('uid') ?? 'guest')) }));
  }
  if (pathname === '/ask' && request.method === 'POST') {
    let body = '';
    for await (const chunk of request) body += chunk;
    await answer(JSON.parse(body));
    return response.writeHead(202).end();
  }
  response.writeHead(404).end();
}

const server = createServer((request, response) => {
  respond(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
});
server.on('error', ({ code, message }) => {
  console.error(code === 'EADDRINUSE' ? `Port ${PORT} is in use already: set PORT to another.` : message);
  process.exit(1);
});
// Whoever reaches it gets a token: for this machine only.
server.listen(Number(PORT), '127.0.0.1', () =>
  console.log(`Open http://localhost:${server.address().port}/ in two tabs`),
);

let isThere = true;
setInterval(async () => {
  try {
    await measure();
    isThere = true;
  } catch (error) {
    if (isThere)
      console.error(
        `Hearth does not answer at ${hearth}: does it run (npm start)? ${error.cause?.code ?? error.message}`,
      );
    isThere = false;
  }
}, 1000);
