import { Connection } from './connection.js';
import { FrameLog } from './frame-log.js';
import { callHttpApi, OPERATIONS } from './http-api.js';
import { dataText, objectText, parseJson, prettyJson } from './json.js';
import { socketUrl } from './socket-url.js';
import { Subscriptions } from './subscriptions.js';
import { memoryOf } from './token-memory.js';
import { takeLinkedToken } from './token-link.js';
import { channelsOf, decodeToken, refusalOf, timeOf } from './token.js';

/** So long after the last key stroke a typed token is taken for complete. */
const TYPING_MS = 400;

const STATES = {
  idle: 'not connected',
  connecting: 'connecting…',
  connected: 'connected',
  suspended: 'suspended',
  closed: 'closed',
};

const byId = (id) => document.getElementById(id);
const memory = memoryOf('hearth-console-token');
const connection = new Connection();
const subscriptions = new Subscriptions();
const log = new FrameLog(byId('log'), byId('count'), reactTo);
/** Frames that bring back the subscriptions a suspended connection had. */
let interrupted = [];
/** Where to connect; `undefined` until it is known and trusted. */
let target;

// --- Connection ------------------------------------------------------------------------------------------------------

function chooseTarget() {
  try {
    const { url, isForeign } = socketUrl(location);
    byId('socket-url').textContent = url.href;
    if (!isForeign) return trust(url);
    byId('foreign-host').textContent = url.host;
    byId('foreign').hidden = false;
    byId('trust').addEventListener('click', () => trust(url), { once: true });
  } catch (error) {
    tellAboutToken(error.message, true);
  }
}

function trust(url) {
  byId('foreign').hidden = true;
  target = url;
  readToken();
}

/** Shows the claims of what is in the token field, and connects when it is a token. */
function readToken() {
  const token = byId('token').value.trim();
  memory.keep(byId('remember').checked && token !== '' ? token : undefined);
  byId('connect').disabled = true;
  byId('claims').hidden = true;
  if (token === '') return tellAboutToken('Paste a token: it connects by itself.');
  try {
    const { claims, claimsText } = decodeToken(token);
    byId('claims-text').replaceChildren(prettyJson(claimsText));
    byId('claims').hidden = false;
    suggestChannels(channelsOf(claims));
    const refusal = refusalOf(claims, Date.now());
    if (refusal !== undefined) return tellAboutToken(refusal, true);
    tellAboutToken(`Valid until ${timeOf(claims.exp)}, unless its signature is wrong.`);
    if (target !== undefined) connect();
  } catch (error) {
    tellAboutToken(error.message, true);
  }
}

function connect() {
  byId('connect').disabled = false;
  if (!byId('preserve').checked) log.clear();
  interrupted = [];
  connection.open(target, byId('token').value.trim());
}

function tellAboutToken(text, isError = false) {
  byId('token-note').textContent = text;
  byId('token').setAttribute('aria-invalid', String(isError));
}

function suggestChannels(names) {
  const options = names.map((name) => Object.assign(document.createElement('option'), { value: name }));
  byId('channels').replaceChildren(...options);
  if (byId('channel').value === '' && names.length > 0) useChannel(names[0]);
}

function useChannel(name) {
  byId('channel').value = name;
  showChannel();
}

function showChannel() {
  byId('message-channel').textContent = byId('channel').value.trim() || '…';
}
byId('channel').addEventListener('input', showChannel);

let typing;
byId('token').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(readToken, TYPING_MS);
});
byId('remember').addEventListener('change', ({ target: { checked } }) => {
  memory.keep(checked ? byId('token').value.trim() : undefined);
});
byId('connect').addEventListener('click', connect);
byId('terminate').addEventListener('click', () => connection.terminate());
byId('suspend').addEventListener('click', () => {
  if (connection.state === 'suspended') connection.resume();
  else connection.suspend();
});

connection.addEventListener('state', ({ detail: state }) => {
  byId('state').textContent = STATES[state];
  byId('state').dataset.state = state;
  for (const id of ['actions', 'message']) byId(id).disabled = state !== 'connected';
  byId('suspend').disabled = state !== 'connected' && state !== 'suspended';
  byId('suspend').textContent = state === 'suspended' ? 'Resume' : 'Suspend';
  byId('terminate').disabled = state === 'idle' || state === 'closed';
  if (state === 'connected') interrupted.splice(0).forEach((frame) => connection.send(frame));
});
connection.addEventListener('sent', ({ detail: text }) => {
  log.add({ direction: 'sent', text });
  subscriptions.sent(parseJson(text), text);
});
connection.addEventListener('received', ({ detail: text }) => {
  log.add({ direction: 'received', text });
  subscriptions.received(parseJson(text));
  showSubscriptions();
});
connection.addEventListener('closed', ({ detail: { code, reason, isRefusal } }) => {
  const frames = subscriptions.takeAll();
  if (connection.state === 'suspended') interrupted = frames;
  showSubscriptions();
  if (isRefusal) {
    const text =
      reason === ''
        ? 'The connection was refused, or nothing answers there. Browsers do not tell which.'
        : `${code} ${reason}`;
    log.add({ direction: 'note', label: 'refused', text, isError: true });
  } else {
    log.add({ direction: 'note', label: 'closed', text: `${code} ${reason}`.trim(), isError: code !== 1000 });
  }
});

// --- Actions ---------------------------------------------------------------------------------------------------------

/** @param {Record<string, string | undefined>} members JSON texts */
const sendFrame = (members) => connection.send(objectText(members));
const quoted = (text) => (text === '' ? undefined : JSON.stringify(text));
const channelText = () => quoted(byId('channel').value.trim());
const wayOf = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

async function callApi(operation, body) {
  log.add({ direction: 'sent', label: `POST ${operation}`, text: body });
  try {
    const { status, text } = await callHttpApi(connection.credentials, operation, body);
    log.add({ direction: 'received', label: `${status} ${operation}`, text, isError: status >= 400 });
  } catch (error) {
    log.add({ direction: 'note', label: `no answer to ${operation}`, text: error.message, isError: true });
  }
}

/** JSON text of a data field; `undefined` when it is empty. What is wrong with it is told at the field. */
function readData(field) {
  try {
    field.setCustomValidity('');
    return { data: dataText(field.value) };
  } catch (error) {
    field.setCustomValidity(error.message);
    field.reportValidity();
    return undefined;
  }
}

/** @param {(button: string) => unknown} action gets the value of the button that was pressed */
function onSubmit(id, action) {
  const form = byId(id);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    action(event.submitter?.value ?? '');
  });
  form.addEventListener('input', ({ target: field }) => field.setCustomValidity?.(''));
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      form.requestSubmit(form.querySelector('button.primary'));
    }
  });
}

onSubmit('message-form', () => {
  const read = readData(byId('message-data'));
  if (read === undefined) return;
  const message = { channel: channelText(), event: quoted(byId('message-event').value.trim()), data: read.data };
  if (wayOf('message-way') === 'socket') sendFrame(message);
  else void callApi('publishMessage', objectText(message));
});

onSubmit('subscribe-form', (button) => {
  const token = quoted(byId('subscribe-token').value.trim());
  const data = button === 'subscribe' && token !== undefined ? objectText({ token }) : undefined;
  sendFrame({ event: quoted(`hotsock.${button}`), channel: channelText(), data });
});

onSubmit('storage-form', (button) => {
  const key = quoted(byId('storage-key').value.trim());
  const read = button === 'set' ? readData(byId('storage-data')) : {};
  if (read === undefined) return;
  const event = quoted(button === 'set' ? 'hotsock.channelStorageSet' : 'hotsock.channelStorageGet');
  sendFrame({ event, channel: channelText(), key, data: read.data });
});

onSubmit('reaction-form', (button) => {
  const [messageId, reaction] = ['reaction-message', 'reaction-value'].map((id) => quoted(byId(id).value.trim()));
  const data = objectText({ messageId, reaction, action: quoted(button) });
  sendFrame({ event: quoted('hotsock.messageReaction'), channel: channelText(), data });
});

onSubmit('raw-form', () => {
  const text = byId('raw-text').value;
  if (wayOf('raw-way') === 'socket') connection.send(text);
  else void callApi(byId('raw-operation').value, text);
});

byId('ping').addEventListener('click', () => sendFrame({ event: quoted('hotsock.ping') }));
byId('heartbeat').addEventListener('click', () => sendFrame({ event: quoted('hotsock.heartbeat') }));

function reactTo({ id, channel }) {
  useChannel(channel);
  byId('reaction-message').value = id;
  byId('reaction').open = true;
  byId('reaction-value').focus();
}

function showSubscriptions() {
  const items = subscriptions.channels.map((channel) => {
    const item = document.createElement('li');
    const pick = Object.assign(document.createElement('button'), { type: 'button', textContent: channel });
    pick.setAttribute('aria-label', `Use the channel ${channel}`);
    pick.addEventListener('click', () => useChannel(channel));
    item.append(pick);
    return item;
  });
  byId('subscriptions').replaceChildren(...items);
}

// --- Log -------------------------------------------------------------------------------------------------------------

const filterLog = () => log.filter(wayOf('direction'), byId('needle').value);
for (const radio of document.querySelectorAll('input[name="direction"]')) radio.addEventListener('change', filterLog);
byId('needle').addEventListener('input', filterLog);
byId('clear').addEventListener('click', () => log.clear());

// --- Start -----------------------------------------------------------------------------------------------------------

for (const operation of OPERATIONS) byId('raw-operation').append(new Option(operation));
const known = takeLinkedToken(location, history) ?? memory.kept();
if (known !== undefined) {
  byId('token').value = known;
  byId('remember').checked = true;
}
chooseTarget();
