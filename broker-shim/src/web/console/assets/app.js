// The frame of the console: which page is shown, the search on top, and whether the broker is there.

import { h, get, onReach, sorry, later, topicLink, groupLink } from './ui.js';
import { overview } from './overview.js';
import { topics, topic } from './topics.js';
import { groups, group } from './groups.js';
import { broker } from './broker.js';

const PAGES = { '': overview, topics, topic, groups, group, broker };
const BELONGS = { '': 'overview', topic: 'topics', group: 'groups' };
const main = document.getElementById('main');

/** The page that is shown: what it started ends with it. */
let shown = null;

function parse() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').map((text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  });
  return { name: parts[0] ?? '', parts: parts.slice(1), params: new URLSearchParams(query ?? '') };
}

/** Shows the page of the address. With `quiet` the reader's place is kept: the broker came back. */
async function route(quiet) {
  shown?.end();
  const { name, parts, params } = parse();
  const abort = new AbortController();
  const timers = [];
  const room = h('div', { class: 'page' });
  const ctx = {
    parts, params, signal: abort.signal,
    /** Again and again, while the page is looked at. */
    every(ms, work) {
      let busy = false;
      timers.push(setInterval(async () => {
        if (busy || document.hidden || away) return;
        busy = true;
        await Promise.resolve(work()).catch((error) => {
          // What the page shows is gone: its last figures would look like news. Anything else may pass.
          if (error.status !== 404 || abort.signal.aborted) return;
          shown.end();
          room.replaceChildren(sorry(error, () => route()));
        });
        busy = false;
      }, ms));
    },
    /** Puts what is shown into the address, so that it can be sent to somebody. */
    remember(values) {
      const query = new URLSearchParams();
      for (const [key, value] of Object.entries(values)) if (value) query.set(key, value);
      const path = location.hash.split('?')[0] || '#/';
      history.replaceState(null, '', query.size ? `${path}?${query}` : path);
    },
    title(text) {
      document.title = text ? `${text} \u00b7 Corrente` : 'Corrente';
    },
  };
  shown = { end: () => { abort.abort(); timers.forEach(clearInterval); } };
  for (const link of document.querySelectorAll('#nav a')) {
    const here = link.dataset.page === (BELONGS[name] ?? name);
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const page = PAGES[name];
  try {
    if (!page) throw Object.assign(new Error('There is no such page.'), { status: 404 });
    await page(room, ctx);
  } catch (error) {
    if (error.name === 'AbortError' || abort.signal.aborted) return;
    room.replaceChildren(sorry(error, () => route()));
  }
  if (abort.signal.aborted) return;
  main.replaceChildren(room);
  if (!quiet && started) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  started = true;
}
let started = false;

// The broker goes, the broker comes back.

let away = false;
const state = document.getElementById('state');
const banner = document.getElementById('away');

function say(kind, text) {
  if (state.className === `state ${kind}` && state.lastChild.textContent === text) return;
  state.className = `state ${kind}`;
  state.lastChild.textContent = text;
}

onReach((there) => {
  if (there && away) {
    away = false;
    banner.hidden = true;
    say('good', 'live');
    route(true);
  } else if (!there && !away) {
    away = true;
    banner.hidden = false;
    banner.textContent = 'The broker does not answer: it was stopped, or it is being started. This page goes on by itself when it is back.';
    say('bad', 'away');
  }
});

async function beat() {
  if (document.hidden) return;
  const live = await get('/api/live', { since: Number.MAX_SAFE_INTEGER }).catch(() => null);
  if (!live) return;
  if (live.bad) say('bad', live.bad === 1 ? '1 problem' : `${live.bad} problems`);
  else if (live.warn) say('warn', live.warn === 1 ? '1 warning' : `${live.warn} warnings`);
  else say('good', 'live');
}
setInterval(beat, 2000);

// The search on top.

const field = document.getElementById('find-text');
const list = document.getElementById('found');
let chosen = -1;

function close() {
  list.hidden = true;
  chosen = -1;
  field.setAttribute('aria-expanded', 'false');
  field.removeAttribute('aria-activedescendant');
}

const search = later(120, async () => {
  const q = field.value.trim();
  if (!q) return close();
  const [topics, groups] = await Promise.all([
    get('/api/topics', { q, limit: 8, internal: 1 }), get('/api/groups', { q, limit: 4 }),
  ]).catch(() => [{ topics: [], total: 0 }, { groups: [], total: 0 }]);
  if (field.value.trim() !== q) return;
  const row = (kind, name, href, n) => h('li', { role: 'option', id: `found-${n}`, onclick: () => go(href) },
    h('span', { class: 'kind' }, kind), h('span', { class: 'mono' }, name));
  const rows = [
    ...topics.topics.map((topic) => ['topic', topic.name, topicLink(topic.name)]),
    ...groups.groups.map((group) => ['group', group.name, groupLink(group.name)]),
  ].map(([kind, name, href], n) => Object.assign(row(kind, name, href, n), { href }));
  const more = topics.total > 8 ? [h('li', { class: 'more' }, `and ${topics.total - 8} more topics`)] : [];
  list.replaceChildren(...(rows.length ? rows : [h('li', { class: 'more' }, 'Nothing of that name.')]), ...more);
  list.hidden = false;
  chosen = -1;
  field.setAttribute('aria-expanded', 'true');
});

function go(href) {
  close();
  field.value = '';
  field.blur();
  location.hash = href;
}

field.addEventListener('input', search);
field.addEventListener('keydown', (event) => {
  const rows = [...list.querySelectorAll('[role=option]')];
  if (event.key === 'Escape') close();
  if (event.key === 'Enter') {
    event.preventDefault();
    const row = rows[Math.max(0, chosen)];
    if (row) go(row.href);
    else if (field.value.trim()) go(`#/topics?q=${encodeURIComponent(field.value.trim())}`);
  }
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  event.preventDefault();
  if (!rows.length) return;
  chosen = (chosen + (event.key === 'ArrowDown' ? 1 : -1) + rows.length) % rows.length;
  rows.forEach((row, n) => row.setAttribute('aria-selected', n === chosen));
  field.setAttribute('aria-activedescendant', `found-${chosen}`);
});
document.getElementById('find').addEventListener('submit', (event) => event.preventDefault());
document.addEventListener('click', (event) => {
  if (!event.target.closest('#find')) close();
});
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, dialog');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    field.focus();
  }
});

// The skip link is a jump and no address of ours.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById('dialog').addEventListener('click', (event) => {
  if (event.target.id === 'dialog') event.target.close();
});
addEventListener('hashchange', () => {
  document.getElementById('dialog').close();
  route();
});
route();
beat();
