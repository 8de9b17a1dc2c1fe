import { prettyJson } from './json.js';
import { ManagementApi } from './management-api.js';
import { memoryOf } from './token-memory.js';

/** What can be listed: by which parameter, what one is called, how its line reads, and what can be done to it. */
const VIEWS = {
  channels: {
    filter: 'prefix',
    label: 'Prefix',
    nameOf: ({ name }) => name,
    lineOf: ({ subscriptionsCount, membersCount }) =>
      `${subscriptionsCount} subscribed${membersCount === undefined ? '' : `, ${membersCount} members`}`,
  },
  connections: {
    filter: 'uid',
    label: 'uid',
    nameOf: ({ id }) => id,
    lineOf: ({ uid, transport, sourceIp, subscriptionsCount, connectedAt }) =>
      `${uid ?? 'no uid'} · ${transport} · ${sourceIp} · ${subscriptionsCount} channels · since ${connectedAt}`,
    action: 'Disconnect',
  },
  schedules: {
    filter: 'channel',
    label: 'Channel',
    nameOf: ({ id }) => id,
    lineOf: ({ channel, event, at, uid }) => `${channel} · ${event ?? ''} · ${at}${uid === null ? '' : ` · ${uid}`}`,
    action: 'Cancel',
  },
};

const byId = (id) => document.getElementById(id);
const memory = memoryOf('hearth-operator-key');
/** @type {ManagementApi | undefined} */
let api;
/** What is shown, and where its next page begins. */
let shown = { view: 'channels', query: {}, next: null };

const viewName = () => document.querySelector('input[name="view"]:checked').value;

/** Lists from the beginning. */
async function list() {
  if (api === undefined) return byId('key').focus();
  const view = viewName();
  byId('list').replaceChildren();
  shown = { view, query: { [VIEWS[view].filter]: byId('filter').value.trim() }, next: null };
  await nextPage();
}

async function nextPage() {
  const { view, query, next } = shown;
  await told(async () => {
    const answer = await api.call('GET', [view], { ...query, after: next ?? '' });
    // Another list was asked for meanwhile.
    if (shown.view !== view || shown.query !== query) return;
    shown.next = answer.next;
    byId('list').append(...answer[view].map((entry) => itemOf(view, entry)));
    const count = byId('list').children.length;
    const isWhole = answer.complete !== false;
    const things = count === 1 ? view.slice(0, -1) : view;
    const title = `${count} ${things}${answer.next === null ? '' : ' and more'}`;
    byId('list-title').textContent = isWhole ? title : `${title}; a gateway did not answer`;
    byId('more').hidden = answer.next === null;
  });
}

function itemOf(view, entry) {
  const { nameOf, lineOf, action } = VIEWS[view];
  const name = nameOf(entry);
  const item = element('li', 'entry');
  const details = element('details');
  const summary = element('summary', 'line');
  summary.append(element('span', 'name', name), element('span', 'preview', lineOf(entry)));
  details.append(summary);
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) void told(() => open(view, name, details));
  });
  item.append(details);
  if (action !== undefined) details.addEventListener('opened', () => details.append(endButton(view, name, item)));
  return item;
}

async function open(view, name, details) {
  const full = element('pre');
  full.append(prettyJson(JSON.stringify(await api.call('GET', [view, name]))));
  details.append(full);
  details.dispatchEvent(new CustomEvent('opened'));
}

/** Asks once more, because nothing brings back what was ended. */
function endButton(view, name, item) {
  const { action } = VIEWS[view];
  const bar = element('div', 'buttons');
  const button = Object.assign(element('button', '', action), { type: 'button' });
  button.addEventListener('click', () => {
    if (button.textContent === action) return void (button.textContent = `${action}: sure?`);
    void told(async () => {
      await api.call('DELETE', [view, name]);
      item.remove();
      byId('list-title').textContent = `${name}: done`;
    });
  });
  bar.append(button);
  return bar;
}

/** Does something, and says so when it fails. */
async function told(work) {
  try {
    await work();
    byId('list-title').dataset.state = 'done';
  } catch (error) {
    byId('list-title').dataset.state = 'failed';
    byId('list-title').textContent = error.message;
  }
}

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const key = byId('key').value.trim();
  memory.keep(byId('remember').checked ? key : undefined);
  api = new ManagementApi(key);
  void list();
});
byId('filter-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void list();
});
for (const radio of document.querySelectorAll('input[name="view"]')) {
  radio.addEventListener('change', () => {
    byId('filter-label').textContent = VIEWS[viewName()].label;
    byId('filter').value = '';
    void list();
  });
}
byId('more').addEventListener('click', () => void nextPage());

const kept = memory.kept();
if (kept !== undefined) {
  byId('key').value = kept;
  byId('remember').checked = true;
  api = new ManagementApi(kept);
  void list();
}
