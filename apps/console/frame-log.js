import { membersOf, objectText, parseJson, prettyJson, previewJson } from './json.js';

/** A page with more than this becomes slow. */
const MAX_ENTRIES = 2000;
/** So close to its end, the log follows what is added. */
const END_PIXELS = 40;

/** The beginning of what was on the wire, which is shown to who points at a line. */
const TITLE_CHARACTERS = 2000;
/** Members of a frame that a line shows in a place of their own, or not at all. */
const APART = ['event', 'channel', 'data', 'id', 'meta'];

const ARROWS = { sent: '↑', received: '↓', note: '·' };

/**
 * @typedef {object} Entry
 * @property {'sent' | 'received' | 'note'} direction
 * @property {string} text what was on the wire, or a note
 * @property {string} [label] what it is, for entries other than frames
 * @property {boolean} [isError]
 */

/** The list of all that was sent and received. */
export class FrameLog {
  #list;
  #count;
  #direction = 'all';
  #needle = '';
  /** Entries that the filters let through. */
  #shown = 0;

  /**
   * @param {HTMLOListElement} list scrolls by itself
   * @param {HTMLElement} count is told how many entries there are
   * @param {(frame: Record<string, unknown>) => void} onReact called for the message the user wants to react to
   */
  constructor(list, count, onReact) {
    this.#list = list;
    this.#count = count;
    this.onReact = onReact;
  }

  /** @param {Entry} entry */
  add(entry) {
    const list = this.#list;
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < END_PIXELS;
    const item = this.#itemOf(entry);
    list.append(item);
    this.#show(item);
    if (list.children.length > MAX_ENTRIES) this.#remove(list.firstElementChild);
    this.#tellCount();
    if (follows) list.scrollTop = list.scrollHeight;
  }

  clear() {
    this.#list.replaceChildren();
    this.#shown = 0;
    this.#tellCount();
  }

  /** @param {'all' | 'sent' | 'received'} direction @param {string} needle text that must be in an entry */
  filter(direction, needle) {
    this.#direction = direction;
    this.#needle = needle.toLowerCase();
    this.#shown = 0;
    for (const item of this.#list.children) this.#show(item);
    this.#tellCount();
  }

  #show(item) {
    const fitsDirection = this.#direction === 'all' || item.dataset.direction === this.#direction;
    item.hidden = !fitsDirection || !item.searchText.includes(this.#needle);
    if (!item.hidden) this.#shown += 1;
  }

  #remove(item) {
    if (!item.hidden) this.#shown -= 1;
    item.remove();
  }

  #tellCount() {
    const total = this.#list.children.length;
    const entries = total === 1 ? '1 entry' : `${total} entries`;
    this.#count.textContent = this.#shown === total ? entries : `${this.#shown} of ${entries}`;
  }

  #itemOf({ direction, text, label, isError }) {
    const frame = parseJson(text);
    const name = label ?? (typeof frame?.event === 'string' ? frame.event : 'raw');
    const item = element('li', 'entry');
    item.dataset.direction = direction;
    if (isError || frame?.event === 'hotsock.error') item.dataset.error = '';
    item.searchText = `${name} ${text}`.toLowerCase();
    if (direction === 'note') {
      const line = element('p', 'line');
      line.append(...headOf(direction, name), element('span', 'note', text));
      item.append(line);
      return item;
    }
    const details = element('details');
    const summary = element('summary', 'line');
    summary.title = text.slice(0, TITLE_CHARACTERS);
    summary.append(...headOf(direction, name), ...(label === undefined ? payloadOf(frame, text) : [previewOf(text)]));
    details.append(summary);
    // Most entries are never opened.
    details.addEventListener('toggle', () => details.append(...this.#bodyOf(text, frame)), { once: true });
    item.append(details);
    return item;
  }

  #bodyOf(text, frame) {
    const full = element('pre');
    full.tabIndex = 0;
    full.append(prettyJson(text));
    const buttons = element('div', 'buttons');
    // Browsers have a clipboard only for pages over https and of this machine.
    if (navigator.clipboard !== undefined) buttons.append(button('Copy', () => navigator.clipboard.writeText(text)));
    if (typeof frame?.id === 'string' && typeof frame.channel === 'string') {
      buttons.append(button('React to it', () => this.onReact(frame)));
    }
    return [full, buttons];
  }
}

/** What a frame says besides its event: the channel, then an error's code and message, or the data. */
function payloadOf(frame, text) {
  const channel = typeof frame?.channel === 'string' ? [element('span', 'channel', frame.channel)] : [];
  if (frame?.event === 'hotsock.error') {
    const { code, message } = frame.error ?? {};
    return [...channel, element('code', 'preview', `${code}: ${message}`)];
  }
  const members = membersOf(text);
  if (!members.has('event')) return [previewOf(text)];
  const more = [...members].filter(([name]) => !APART.includes(name));
  return [
    ...channel,
    previewOf(
      ...(more.length === 0 ? [] : [objectText(Object.fromEntries(more))]),
      ...(members.has('data') ? [members.get('data')] : []),
    ),
  ];
}

/** @param {...string} texts JSON, or other text */
function previewOf(...texts) {
  const preview = element('code', 'preview');
  texts.forEach((text, index) => preview.append(...(index === 0 ? [] : [' ']), previewJson(text)));
  return preview;
}

function headOf(direction, name) {
  const now = new Date();
  const time = element('time', '', clockText(now));
  time.dateTime = now.toISOString();
  const arrow = element('span', 'arrow', ARROWS[direction]);
  arrow.setAttribute('role', 'img');
  arrow.setAttribute('aria-label', direction);
  return [time, arrow, element('span', 'name', name)];
}

/** `14:05:09.042` of the user's day. */
function clockText(date) {
  const two = (number) => String(number).padStart(2, '0');
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

function button(text, onClick) {
  const made = element('button', '', text);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}
