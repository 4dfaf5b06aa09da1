// Messages of a topic: the newest, from an offset, from a time, with a text in them; and one with all that is known of it.

import { h, get, bytes, count, plural, moment, ago, when, chip, groupState, dialog, topicLink, groupLink } from './ui.js';

const PAGE = 50;

export async function messages(room, ctx, facts) {
  const name = facts.name;
  const p = (key) => ctx.params.get(key) ?? '';
  const at = p('at');
  const view = {
    partition: p('partition'), from: at.startsWith('offset:') ? 'offset' : at.startsWith('time:') ? 'time' : at === 'start' ? 'start' : 'end',
    offset: at.startsWith('offset:') ? at.slice(7) : '', time: at.startsWith('time:') ? at.slice(5) : '', find: p('find'), in: p('in') || 'any',
  };
  const rows = h('tbody', {});
  const status = h('p', { class: 'found-line', role: 'status', 'aria-live': 'polite' });
  const more = h('button', { type: 'button', hidden: true }, 'Show more');
  const stop = h('button', { type: 'button', hidden: true }, 'Stop');
  const live = h('input', { type: 'checkbox' });
  const form = formOf(view, facts, live, () => search());
  const table = h('div', { class: 'card list' },
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Messages' },
      h('table', { class: 'messages' }, h('thead', {}, h('tr', {},
        ['Time', 'Partition', 'Offset', 'Key', 'Value'].map((text, n) => h('th', { scope: 'col', class: n === 1 || n === 2 ? 'num' : null }, text)))), rows)),
    h('div', { class: 'foot' }, status, stop, more));
  room.append(form, table);

  let run = 0;
  let list = [];
  let cursor = '';
  let looked = 0;
  const newer = () => view.from !== 'end';

  const add = (found, first) => {
    const made = found.map((message) => rowOf(message, name, view.find, () => open(list.indexOf(message))));
    if (first) {
      list = [...found, ...list];
      rows.prepend(...made);
    } else {
      list = [...list, ...found];
      rows.append(...made);
    }
  };
  const ask = (params) => get('/api/messages', { topic: name, partition: view.partition, find: view.find, in: view.in, limit: PAGE, ...params }, ctx.signal);
  const begin = () => (view.from === 'offset' ? `offset:${view.offset || 0}` : view.from === 'time' ? `time:${view.time || 0}` : view.from);

  async function search() {
    read(form, view);
    const mine = ++run;
    const address = { partition: view.partition, at: view.from === 'end' ? '' : begin(), find: view.find, in: view.in === 'any' ? '' : view.in };
    ctx.remember(address);
    list = [];
    looked = 0;
    cursor = begin();
    rows.replaceChildren();
    await go(mine, 0);
  }

  /** Asks on until there is a page more, or the end: each question is short, and a long search is many of them. */
  async function go(mine, have) {
    more.hidden = true;
    stop.hidden = !view.find;
    let end = false;
    const damage = [];
    while (mine === run && !end && list.length < have + PAGE) {
      let answer;
      try {
        answer = await ask({ at: cursor, dir: newer() ? 'newer' : 'older', limit: have + PAGE - list.length });
      } catch (error) {
        if (error.name === 'AbortError' || mine !== run) return;
        if (error.status === 429) {
          await new Promise((wake) => setTimeout(wake, 500));
          continue;
        }
        status.textContent = error.message;
        stop.hidden = true;
        return;
      }
      if (mine !== run) return;
      cursor = answer.cursor;
      end = answer.end;
      looked += answer.looked_at;
      damage.push(...answer.damage);
      add(answer.messages, false);
      status.textContent = wordsOf(list.length, looked, end, view, damage);
      if (!view.find && answer.messages.length === 0) break;
    }
    if (mine !== run) return;
    stop.hidden = true;
    more.hidden = end;
    more.textContent = view.find ? 'Search on' : newer() ? 'Show newer' : 'Show older';
    if (!list.length) rows.replaceChildren(h('tr', { class: 'none' }, h('td', { colspan: 5 }, noneOf(facts, view, end))));
  }
  more.addEventListener('click', () => go(run, list.length));
  stop.addEventListener('click', () => {
    run += 1;
    stop.hidden = true;
    more.hidden = false;
    more.textContent = 'Search on';
    status.textContent += ' Stopped.';
  });

  // Live: what comes is put on top. The place to go on at is the end as it was when live began.
  let tail = '';
  live.addEventListener('change', async () => {
    tail = '';
    if (!live.checked) return;
    form.elements.from.value = 'end';
    form.elements.from.dispatchEvent(new Event('change'));
    await search();
    const last = await ask({ at: 'end', dir: 'newer', limit: 1 });
    tail = last.cursor;
  });
  ctx.every(1000, async () => {
    if (!live.checked || !tail) return;
    const answer = await ask({ at: tail, dir: 'newer', limit: 100 });
    tail = answer.cursor;
    if (!answer.messages.length) return;
    rows.querySelector('.none')?.remove();
    add(answer.messages.reverse(), true);
    for (const row of [...rows.children].slice(0, answer.messages.length)) row.classList.add('fresh');
    // A page that is left open must not grow for ever.
    while (list.length > 500) {
      list.pop();
      rows.lastChild.remove();
    }
    status.textContent = `Live: ${plural(list.length, 'message')} shown, the newest on top.`;
  });

  const open = (n) => detail(name, list, n, ctx);
  await search();
  if (p('offset') && p('partition')) detail(name, [{ partition: Number(p('partition')), offset: Number(p('offset')) }], 0, ctx);
}

function formOf(view, facts, live, submit) {
  const option = (value, text) => h('option', { value }, text);
  const partitions = facts.partition_count <= 200
    ? h('select', { name: 'partition', id: 'm-partition' }, option('', 'all'), Array.from({ length: facts.partition_count }, (_, n) => option(n, n)))
    : h('input', { name: 'partition', id: 'm-partition', type: 'number', min: 0, max: facts.partition_count - 1, placeholder: 'all' });
  const from = h('select', { name: 'from', id: 'm-from' }, option('end', 'the newest'), option('start', 'the oldest'), option('offset', 'an offset'), option('time', 'a time'));
  const offset = h('input', { name: 'offset', type: 'number', min: 0, placeholder: 'offset', 'aria-label': 'Offset', value: view.offset });
  const time = h('input', { name: 'time', type: 'datetime-local', step: 1, 'aria-label': 'Time', value: view.time ? local(Number(view.time)) : '' });
  const find = h('input', { name: 'find', id: 'm-find', type: 'search', placeholder: 'a text, or 0xCAFE for bytes', value: view.find, autocomplete: 'off', spellcheck: 'false' });
  const place = h('select', { name: 'in', 'aria-label': 'Search in' }, option('any', 'anywhere'), option('value', 'in the value'), option('key', 'in the key'), option('headers', 'in the headers'));
  const fields = () => {
    offset.hidden = from.value !== 'offset';
    time.hidden = from.value !== 'time';
    if (from.value === 'time' && !time.value) time.value = local(Date.now() - 3600000);
  };
  partitions.value = view.partition;
  from.value = view.from;
  place.value = view.in;
  fields();
  const form = h('form', { class: 'filter card', onsubmit: (event) => { event.preventDefault(); live.checked = false; submit(); } },
    h('div', { class: 'field' }, h('label', { for: 'm-partition' }, 'Partition'), partitions),
    h('div', { class: 'field' }, h('label', { for: 'm-from' }, 'From'), h('span', { class: 'join' }, from, offset, time)),
    h('div', { class: 'field grow' }, h('label', { for: 'm-find' }, 'Contains'), h('span', { class: 'join' }, find, place)),
    h('button', { class: 'primary' }, 'Show'),
    h('label', { class: 'check' }, live, 'Live'));
  from.addEventListener('change', () => { fields(); if (from.value === 'end' || from.value === 'start') submit(); });
  partitions.addEventListener('change', () => submit());
  return form;
}

/** A moment as a field for local times takes it. */
function local(ms) {
  const d = new Date(ms - new Date(ms).getTimezoneOffset() * 60000);
  return d.toISOString().slice(0, 19);
}

function read(form, view) {
  for (const key of ['partition', 'from', 'offset', 'find', 'in']) view[key] = form.elements[key].value.trim();
  const time = form.elements.time.value;
  view.time = time ? String(new Date(time).getTime()) : '';
}

function wordsOf(shown, looked, end, view, damage) {
  const wrong = damage.length ? ` Not readable: ${damage.join('; ')}.` : '';
  if (view.find) return `${count(shown)} found in ${plural(looked, 'message')}${end ? ', which is all there is.' : '\u2026'}${wrong}`;
  return `${plural(shown, 'message')}${end ? (view.from === 'end' ? ', back to the oldest that is kept.' : ', up to the newest.') : ''}${wrong}`;
}

function noneOf(facts, view, end) {
  if (!end) return 'Nothing yet.';
  if (view.find) return `No message ${view.from === 'end' ? 'that is kept' : 'from there on'} contains that. Is the topic right? Was the producer told that it was sent?`;
  if (view.from !== 'end' && view.from !== 'start') return 'Nothing is there from then on: messages before it may be, look from the newest.';
  if (facts.messages > 0 || facts.partitions.some((one) => one.end > 0)) return 'There were messages here, and none is kept any more: see retention in Settings.';
  return 'No message has ever arrived here.';
}

/** A key or a value in a row: text in one line, bytes as digits, null as what it is. */
function preview(value, find) {
  if (value === null) return h('span', { class: 'nil' }, 'null');
  if (value.size === 0) return h('span', { class: 'nil' }, 'empty');
  if (value.hex !== undefined) return h('span', { class: 'hex', title: `${value.size} bytes` }, spaced(value.hex.slice(0, 48)), value.size > 24 ? '\u2026' : '');
  return h('span', {}, marked(value.text, find), value.cut && h('span', { class: 'dim' }, '\u2026'));
}

const spaced = (hex) => hex.replace(/../g, '$& ').trim();

/** The text with what was searched for marked. */
function marked(text, find) {
  const needle = find?.toLowerCase();
  if (!needle) return text;
  const parts = [];
  let rest = 0;
  const lower = text.toLowerCase();
  for (let at = lower.indexOf(needle); at >= 0 && parts.length < 40; at = lower.indexOf(needle, rest)) {
    parts.push(text.slice(rest, at), h('mark', {}, text.slice(at, at + needle.length)));
    rest = at + needle.length;
  }
  return [...parts, text.slice(rest)];
}

function rowOf(message, name, find, open) {
  const button = h('button', { type: 'button', class: 'link', 'aria-label': `Message ${message.offset} of partition ${message.partition}` }, count(message.offset));
  const time = message.time === null ? h('span', { class: 'dim' }, 'none') : h('time', { title: `${new Date(message.time).toISOString()}, ${ago(message.time)}` }, moment(message.time));
  return h('tr', { class: 'open', onclick: () => { if (!getSelection().toString()) open(); } },
    h('td', { class: 'time' }, time), h('td', { class: 'num' }, message.partition), h('td', { class: 'num' }, button),
    h('td', { class: 'key mono' }, preview(message.key, find)),
    h('td', { class: 'value mono' }, preview(message.value, find), message.header_count > 0 && chip(plural(message.header_count, 'header'))));
}

/** One message, at the side; with the arrows to its neighbours in the list. */
async function detail(name, list, n, ctx) {
  const { partition, offset } = list[n];
  let one;
  try {
    one = await get('/api/message', { topic: name, partition, offset }, ctx.signal);
  } catch (error) {
    if (error.name !== 'AbortError') dialog('Message', 'drawer', h('p', { class: 'sorry' }, error.message));
    return;
  }
  const step = (by, text, label) => h('button', { type: 'button', disabled: !list[n + by], 'aria-label': label, onclick: () => detail(name, list, n + by, ctx) }, text);
  const link = `${location.origin}${location.pathname}${topicLink(name, 'messages', { partition, offset })}`;
  const copy = h('button', { type: 'button', onclick: async () => { await navigator.clipboard?.writeText(link); copy.textContent = 'Copied'; } }, 'Copy a link');
  const box = dialog(`${name}-${partition} at ${offset}`, 'drawer',
    h('div', { class: 'steps' }, step(-1, '\u2191', 'The message above'), step(1, '\u2193', 'The message below'), copy),
    h('p', { class: 'arrived' }, h('strong', {}, one.time === null ? 'Arrived without a time' : moment(one.time)),
      one.time !== null && ` (${ago(one.time)}), ${one.broker_time ? "by the broker's clock" : "by the producer's clock"}. `,
      one.on_disk ? chip('on disk', 'good') : chip('in the page cache, not synced yet', 'warn')),
    partOf('Key', one.key, name, one, 'key'), partOf('Value', one.value, name, one, 'value'), headersOf(one.headers), readersOf(one), batchOf(one));
  box.onkeydown = (event) => {
    if (event.target.closest('pre, input')) return;
    if (event.key === 'ArrowUp' && list[n - 1]) { event.preventDefault(); detail(name, list, n - 1, ctx); }
    if (event.key === 'ArrowDown' && list[n + 1]) { event.preventDefault(); detail(name, list, n + 1, ctx); }
  };
}

function partOf(title, value, name, one, of) {
  if (value === null) return h('section', {}, h('h3', {}, title), h('p', { class: 'nil' }, of === 'value' ? 'null: in a compacted topic this deletes the key' : 'null'));
  const query = new URLSearchParams({ topic: name, partition: one.partition, offset: one.offset, of });
  const load = h('a', { href: `/api/message/value?${query}`, download: '' }, 'Download');
  const size = h('small', { class: 'dim' }, bytes(value.size), value.cut ? ', the beginning is shown ' : ' ');
  return h('section', {}, h('h3', {}, title, ' ', size, load), value.hex === undefined ? textOf(value.text) : hexOf(value.hex));
}

/** Text; JSON is set out over lines, and its parts have colours. */
function textOf(text) {
  let shown = text;
  const json = /^\s*[[{]/.test(text);
  try {
    // Large numbers must stay what they are: the text is only set out anew if nothing is lost.
    const parsed = json && JSON.parse(text);
    const set = json && JSON.stringify(parsed, null, 2);
    if (json && JSON.stringify(parsed) === text.replace(/\s+(?=(?:[^"\\]*(?:\\.|"(?:[^"\\]*\\.)*[^"\\]*"))*[^"]*$)/g, '')) shown = set;
  } catch {
    return h('pre', { tabindex: '0' }, text);
  }
  if (!json || shown.length > 50000) return h('pre', { tabindex: '0' }, shown);
  const parts = shown.split(/("(?:[^"\\]|\\.)*"\s*:?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/);
  const kind = (part) => (part.startsWith('"') ? (part.endsWith(':') ? 'name' : 'text') : /^[tfn]/.test(part) ? 'word' : 'number');
  return h('pre', { tabindex: '0', class: 'json' }, parts.map((part, n) => (n % 2 ? h('span', { class: kind(part) }, part) : part)));
}

/** Bytes, sixteen a line, with what of them is a letter. */
function hexOf(hex) {
  const lines = [];
  for (let at = 0; at < Math.min(hex.length, 32768); at += 32) {
    const part = hex.slice(at, at + 32);
    const letters = part.replace(/../g, (pair) => {
      const code = parseInt(pair, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : '.';
    });
    lines.push(`${(at / 2).toString(16).padStart(6, '0')}  ${spaced(part).padEnd(47)}  ${letters}`);
  }
  return h('pre', { tabindex: '0' }, lines.join('\n'));
}

function headersOf(headers) {
  if (!headers.length) return null;
  const row = (header) => h('tr', {}, h('td', { class: 'mono' }, preview(header.key)), h('td', { class: 'mono long' }, preview(header.value)));
  return h('section', {}, h('h3', {}, 'Headers'), h('table', { class: 'small' }, h('tbody', {}, headers.map(row))));
}

/** The answer to "has anybody read it?". */
function readersOf(one) {
  const row = (group) => {
    const behind = one.offset - group.position + 1;
    return h('li', { class: group.has_read ? 'yes' : 'no' },
      h('a', { class: 'mono', href: groupLink(group.group), onclick: () => document.getElementById('dialog').close() }, group.group), ' ',
      group.has_read ? 'has read it' : `has not come so far: ${plural(behind, 'message')} to go`, ' ', groupState(group.state),
      h('small', { class: 'dim' }, ' at ', count(group.position), ', committed ', when(group.committed)));
  };
  return h('section', {}, h('h3', {}, 'Who has read it'),
    one.readers.length ? h('ul', { class: 'readers' }, one.readers.map(row))
      : h('p', { class: 'dim' }, 'No group has committed a position in this partition. Consumers that do not commit leave no trace.'));
}

function batchOf(one) {
  const batch = one.batch;
  const size = batch.last - batch.first + 1;
  const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
  return h('section', {}, h('h3', {}, 'How it came'), h('dl', { class: 'facts' },
    fact('Batch', size === 1 ? 'alone' : `with ${count(size - 1)} others, offsets ${count(batch.first)} to ${count(batch.last)}`),
    fact('Stored as', `${bytes(batch.bytes)}${batch.codec === 'none' ? '' : `, ${batch.codec}`}`),
    fact('Producer', batch.producer === null ? 'not idempotent' : `id ${batch.producer}${batch.transactional ? ', in a transaction' : ''}`),
    fact('Partition', `${count(one.start)} to ${count(one.end - 1)} are kept`)));
}
