// What all pages use: elements, questions to the broker, numbers and times as people read them.
//
// Elements are made with `h` and never from text that is parsed as HTML: whatever a message, a topic or a group is called,
// it is shown and not run.

const SVG = 'http://www.w3.org/2000/svg';

/** An element: h('td', {class: 'num', onclick: f}, 'text', child, [more], null). */
export function h(tag, props, ...kids) {
  return fill(document.createElement(tag), props, kids);
}

/** The same for pictures. */
export function s(tag, props, ...kids) {
  return fill(document.createElementNS(SVG, tag), props, kids);
}

function fill(element, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return element;
}

/** An error that the broker answered, or that there was no broker to answer. */
export class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const watchers = new Set();
/** Calls `tell(true)` when the broker answers, `tell(false)` when it does not. */
export function onReach(tell) {
  watchers.add(tell);
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    watchers.forEach((tell) => tell(false));
    throw new Problem(0, 'The broker does not answer.');
  }
  const answer = await response.json().catch(() => ({}));
  watchers.forEach((tell) => tell(true));
  if (!response.ok) throw new Problem(response.status, answer.error ?? `The broker answered ${response.status}.`);
  return answer;
}

/** A question: get('/api/topic', {name: 'orders'}). */
export function get(path, params = {}, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, value);
  }
  return ask(query.size ? `${path}?${query}` : path, { signal });
}

/** A change. */
export function post(path, form) {
  const headers = { 'content-type': 'application/json', 'x-corrente-console': '1' };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(form) });
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const rough = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (n) => (n === null || n === undefined ? '\u2013' : whole.format(n));
export const few = (n) => (n < 10000 ? whole.format(n) : rough.format(n));
export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many ?? one + 's'}`;
/** A rate: small ones with a digit behind the point. */
export const rate = (n) => (n > 0 && n < 10 ? n.toFixed(1) : few(n));

export function bytes(n) {
  if (n === null || n === undefined) return '\u2013';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

const two = (n) => String(n).padStart(2, '0');

/** A moment, in the time zone of whoever looks: 14:02:11.123, with the day if it is another. */
export function moment(ms, fraction = true) {
  if (ms === null || ms === undefined || ms < 0) return 'no time';
  const d = new Date(ms);
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const time = fraction ? `${clock}.${String(d.getMilliseconds()).padStart(3, '0')}` : clock;
  const today = new Date().toDateString() === d.toDateString();
  return today ? time : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${time}`;
}

export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const [name, size] = units.find(([, size]) => seconds >= size) ?? units[3];
  const n = Math.floor(seconds / size);
  return `${n} ${name}${n === 1 ? '' : 's'}`;
}

export function ago(ms) {
  if (!ms) return '\u2013';
  const gone = Date.now() - ms;
  return gone < 1500 ? 'just now' : `${duration(gone)} ago`;
}

/** A moment with the whole of it as a hint. */
export const when = (ms) =>
  ms ? h('time', { datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString() }, ago(ms)) : '\u2013';

/** A name as part of a link. */
export const part = encodeURIComponent;
export const topicLink = (name, tab = '', params = {}) => {
  const query = new URLSearchParams(params);
  return `#/topic/${part(name)}${tab ? '/' + tab : ''}${query.size ? '?' + query : ''}`;
};
export const groupLink = (name) => `#/group/${part(name)}`;

/** A table that scrolls by itself where it is too wide. */
export function table(label, heads, rows, empty) {
  const head = heads.map((text) => {
    const num = text.startsWith('#');
    return h('th', { scope: 'col', class: num && 'num' }, num ? text.slice(1) : text);
  });
  const body = rows.length ? rows : [h('tr', { class: 'none' }, h('td', { colspan: heads.length }, empty))];
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, body)));
}

export const num = (...kids) => h('td', { class: 'num' }, kids);
export const card = (title, ...kids) => h('section', { class: 'card' }, title && h('h2', {}, title), kids);
export const chip = (text, kind = '') => h('span', { class: `chip ${kind}` }, text);

const STATES = {
  Stable: ['reading', 'good'], Empty: ['no members', ''], Dead: ['gone', 'bad'],
  PreparingRebalance: ['members are changing', 'warn'], CompletingRebalance: ['members are changing', 'warn'],
};
/** The state of a group in a word. */
export const groupState = (state) => {
  const [text, kind] = STATES[state] ?? [state, ''];
  return h('span', { title: state }, chip(text, kind));
};

/** A lag with a colour. */
export const lag = (n) =>
  n === null || n === undefined ? h('span', { class: 'dim' }, 'topic gone')
    : h('span', { class: n === 0 ? 'lag zero' : 'lag' }, n === 0 ? 'none' : count(n));

/** Rows before and after. */
export function pager(total, skip, shown, go) {
  if (total <= shown && skip === 0) return null;
  const button = (text, to, able) => h('button', { type: 'button', disabled: !able, onclick: () => go(to) }, text);
  return h('div', { class: 'pager' },
    h('span', {}, `${count(skip + 1)} to ${count(skip + shown)} of ${count(total)}`),
    button('\u2190 Before', Math.max(0, skip - 50), skip > 0),
    button('Next \u2192', skip + 50, skip + shown < total));
}

/** A sentence that goes by itself. */
export function toast(text, kind = 'good') {
  const note = h('p', { class: `toast ${kind}` }, text);
  document.getElementById('toasts').append(note);
  setTimeout(() => note.remove(), 6000);
}

/** What is shown where an answer should be. */
export function sorry(error, again) {
  return h('div', { class: 'sorry' },
    h('h2', {}, error.status === 404 ? 'Not there' : error.status === 0 ? 'The broker is away' : 'That did not work'),
    h('p', {}, error.message),
    again && h('button', { type: 'button', onclick: again }, 'Try again'));
}

/** Waits until typing pauses. */
export function later(ms, work) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
}

/** Opens the dialog with these contents. */
export function dialog(title, kind, ...kids) {
  const box = document.getElementById('dialog');
  box.className = kind;
  const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Close', onclick: () => box.close() }, '\u00d7');
  box.replaceChildren(h('div', { class: 'dialog-head' }, h('h2', { id: 'dialog-title' }, title), close), ...kids);
  if (!box.open) box.showModal();
  return box;
}
