import { prettyJson } from './json.js';
import { ManagementApi } from './management-api.js';
import { VIEWS } from './operator-views.js';
import { memoryOf } from './token-memory.js';

const byId = (id) => document.getElementById(id);
const memory = memoryOf('hearth-operator-key');
/** @type {ManagementApi | undefined} */
let api;
/** Between looks at a list that is kept up to date. */
const REFRESH_MS = 2_000;
/** What is shown, and where its next page begins. */
let shown = { view: VIEWS.channels, fields: {}, next: null };

const viewName = () => document.querySelector('input[name="view"]:checked').value;

/** Shows what narrows the chosen view. */
function showFields(values = {}) {
  const fields = Object.entries(VIEWS[viewName()].fields).map(([name, text]) => {
    const input = Object.assign(element('input'), { name, value: values[name] ?? '' });
    Object.assign(input, { autocomplete: 'off', autocapitalize: 'off', spellcheck: false });
    const label = element('label', '', text);
    label.append(input);
    return label;
  });
  byId('fields').replaceChildren(...fields);
}

/** Goes to another view, as a link in a line asks for. */
function go(view, fields) {
  document.querySelector(`input[name="view"][value="${view}"]`).checked = true;
  showFields(fields);
  const empty = [...byId('fields').querySelectorAll('input')].find(({ value }) => value === '');
  if (view === 'delivery') empty?.focus();
  void list();
}

/** Lists from the beginning. */
async function list() {
  if (api === undefined) return byId('key').focus();
  byId('list').replaceChildren();
  const fields = [...new FormData(byId('filter-form'))].filter(([name]) => name !== 'view');
  shown = {
    view: VIEWS[viewName()],
    fields: Object.fromEntries(fields.map(([name, value]) => [name, value.trim()])),
    next: null,
  };
  await nextPage();
}

async function nextPage() {
  const asked = shown;
  const { view, fields, next: after } = asked;
  await told(async () => {
    const { entries, next, complete, note } = await view.page(api, fields, after);
    // Another list was asked for meanwhile.
    if (shown !== asked) return;
    shown.next = next;
    if (view.isLive) keepOnly(entries);
    const known = [...byId('list').children].map(({ dataset }) => dataset.entry);
    for (const entry of entries) {
      const text = JSON.stringify(entry);
      if (view.isLive && known.includes(text)) continue;
      const item = itemOf(view.show(entry, fields));
      item.dataset.entry = text;
      byId('list').append(item);
    }
    const count = byId('list').children.length;
    const title = note ?? `${count} ${count === 1 ? view.one : view.many}${next === null ? '' : ' and more'}`;
    byId('list-title').textContent = complete === false ? `${title}; a gateway did not answer` : title;
    byId('more').hidden = next === null;
  });
  if (view.isLive) setTimeout(() => void refresh(asked), REFRESH_MS);
}

/** Looks again at what is shown, as long as it is, and somebody sees it. */
async function refresh(asked) {
  if (shown !== asked) return;
  if (document.hidden) return void setTimeout(() => void refresh(asked), REFRESH_MS);
  await nextPage();
}

/** Takes away the lines of whatever is not there any more; the others stay as they are, open or not. */
function keepOnly(entries) {
  const texts = entries.map((entry) => JSON.stringify(entry));
  for (const item of [...byId('list').children]) if (!texts.includes(item.dataset.entry)) item.remove();
}

/** @param {import('./operator-views.js').Shown} shown */
function itemOf({ name, line, details: load, action, links = [] }) {
  const item = element('li', 'entry');
  const details = element('details');
  const summary = element('summary', 'line');
  summary.append(element('span', 'name', name), element('span', 'preview', line));
  details.append(summary);
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) void told(open);
  });
  async function open() {
    const full = element('pre');
    full.append(prettyJson(JSON.stringify(await load(api))));
    const bar = element('div', 'buttons');
    for (const { label, view, fields } of links) bar.append(buttonOf(label, () => go(view, fields)));
    if (action !== undefined) bar.append(actionButton(action, name, item));
    details.append(full, ...(bar.children.length === 0 ? [] : [bar]));
  }
  item.append(details);
  return item;
}

function actionButton({ label, isFinal, run }, name, item) {
  const button = buttonOf(label, () => {
    if (isFinal && button.textContent === label) return void (button.textContent = `${label}: sure?`);
    void told(async () => {
      await run(api);
      if (isFinal) item.remove();
      else button.disabled = true;
      byId('list-title').textContent = `${name}: done`;
    });
  });
  return button;
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

function buttonOf(label, onClick) {
  const button = Object.assign(element('button', '', label), { type: 'button' });
  button.addEventListener('click', onClick);
  return button;
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
    showFields();
    void list();
  });
}
byId('more').addEventListener('click', () => void nextPage());

showFields();
const kept = memory.kept();
if (kept !== undefined) {
  byId('key').value = kept;
  byId('remember').checked = true;
  api = new ManagementApi(kept);
  void list();
}
