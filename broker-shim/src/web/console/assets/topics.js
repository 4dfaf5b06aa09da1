// All topics, and one: its messages, its partitions, who reads it, how it is set.

import { h, get, bytes, few, rate, count, plural, ago, when, duration, card, table, num, lag, groupState, chip, pager, later, topicLink, groupLink } from './ui.js';
import { chart, stream } from './charts.js';
import { messages } from './messages.js';
import { settingsCard } from './broker.js';
import { createTopic, sendMessage, addPartitions, deleteTopic } from './forms.js';

export async function topics(room, ctx) {
  ctx.title('Topics');
  const view = {
    q: ctx.params.get('q') ?? '', sort: ctx.params.get('sort') ?? 'name',
    internal: ctx.params.get('internal') ?? '', skip: Number(ctx.params.get('skip') ?? 0),
  };
  const list = h('div', { class: 'card' });
  const total = h('span', { class: 'dim', role: 'status' });
  const show = async () => {
    const answer = await get('/api/topics', view, ctx.signal);
    total.textContent = plural(answer.total, 'topic');
    list.replaceChildren(listOf(answer, view), pager(answer.total, answer.skip, answer.topics.length, turn) ?? '');
    ctx.remember({ q: view.q, sort: view.sort === 'name' ? '' : view.sort, internal: view.internal, skip: view.skip || '' });
  };
  const turn = (skip) => { view.skip = skip; show(); };
  const again = () => { view.skip = 0; show(); };
  const change = later(150, () => { view.q = find.value.trim(); again(); });
  const find = h('input', { type: 'search', 'aria-label': 'Topics with this in their name', placeholder: 'Name', value: view.q, oninput: change });
  const orders = [['name', 'by name'], ['rate', 'busiest first'], ['recent', 'last message first'], ['messages', 'most messages first'], ['size', 'largest first']];
  const sort = h('select', { 'aria-label': 'Order', onchange: () => { view.sort = sort.value; again(); } },
    orders.map(([value, text]) => h('option', { value }, text)));
  sort.value = view.sort;
  const internal = h('input', { type: 'checkbox', checked: Boolean(view.internal), onchange: () => { view.internal = internal.checked ? '1' : ''; again(); } });
  const live = await get('/api/live', { since: Number.MAX_SAFE_INTEGER }, ctx.signal);
  room.append(h('div', { class: 'head' }, h('div', {}, h('h1', {}, 'Topics'), total),
    h('div', { class: 'tools' }, find, sort, h('label', { class: 'check' }, internal, "the broker's own"),
      live.writes && h('button', { type: 'button', class: 'primary', onclick: createTopic }, 'Create a topic'))), list);
  await show();
  ctx.every(3000, show);
}

function listOf(answer, view) {
  const rows = answer.topics.map((topic) => h('tr', {},
    h('td', {}, h('a', { class: 'mono', href: topicLink(topic.name) }, topic.name),
      topic.internal && chip("the broker's own"), topic.offline > 0 && chip(`${topic.offline} offline`, 'bad')),
    num(count(topic.partitions)), num(few(topic.messages)), num(bytes(topic.bytes)),
    num(topic.rate > 0 ? `${rate(topic.rate)}/s` : h('span', { class: 'dim' }, 'idle')), num(topic.last ? ago(topic.last) : '\u2013')));
  const none = view.q ? `No topic has "${view.q}" in its name.` : 'There is no topic yet.';
  return table('Topics', ['Topic', '#Partitions', '#Messages', '#On disk', '#Rate', '#Last message'], rows, none);
}

const TABS = [['messages', 'Messages'], ['partitions', 'Partitions'], ['readers', 'Readers'], ['settings', 'Settings']];

export async function topic(room, ctx) {
  const name = ctx.parts[0] ?? '';
  const tab = TABS.some(([id]) => id === ctx.parts[1]) ? ctx.parts[1] : 'messages';
  ctx.title(name);
  const [facts, live] = await Promise.all([get('/api/topic', { name }, ctx.signal), get('/api/live', { topic: name }, ctx.signal)]);
  const picture = chart('Messages in', 'in', 180000, (n) => `${rate(n)}/s`);
  const chips = h('p', { class: 'chips' });
  const count_ = h('span', { class: 'badge' });
  const top = (facts) => {
    chips.replaceChildren(...chipsOf(facts));
    count_.textContent = facts.groups.length;
  };
  let points = live.points;
  top(facts);
  picture.show(points);
  ctx.every(2000, async () => {
    const since = points.length ? points[points.length - 1][0] : 0;
    points = [...points, ...(await get('/api/live', { topic: name, since }, ctx.signal)).points].slice(-90);
    picture.show(points);
  });
  const changes = live.writes && !facts.internal && h('div', { class: 'tools' },
    h('button', { type: 'button', class: 'primary', onclick: () => sendMessage(facts) }, 'Send a message'),
    h('button', { type: 'button', onclick: () => addPartitions(facts) }, 'Add partitions'),
    h('button', { type: 'button', class: 'danger', onclick: () => deleteTopic(facts) }, 'Delete'));
  const link = ([id, text]) => h('a', { href: topicLink(name, id), 'aria-current': id === tab && 'page' }, text, id === 'readers' && count_);
  const body = h('div', {});
  room.append(
    h('div', { class: 'head topic-head' },
      h('div', {}, h('p', { class: 'crumbs' }, h('a', { href: '#/topics' }, 'Topics')), h('h1', { class: 'mono' }, name), chips, changes),
      picture.figure),
    h('nav', { class: 'tabs', 'aria-label': `Parts of ${name}` }, TABS.map(link)), body);
  const refresh = (work) => ctx.every(2000, async () => {
    const facts = await get('/api/topic', { name, skip: ctx.params.get('skip') ?? 0 }, ctx.signal);
    top(facts);
    work?.(facts);
  });
  if (tab === 'messages') {
    refresh();
    await messages(body, ctx, facts);
  } else if (tab === 'settings') {
    const answer = await get('/api/topic/settings', { name }, ctx.signal);
    body.append(settingsCard('Settings', answer.settings));
    refresh();
  } else {
    const draw = (facts) => body.replaceChildren(tab === 'partitions' ? partitionsOf(facts) : readersOf(facts));
    draw(ctx.params.get('skip') ? await get('/api/topic', { name, skip: ctx.params.get('skip') }, ctx.signal) : facts);
    refresh(draw);
  }
}

function chipsOf(facts) {
  const compacted = facts.cleanup_policy.includes('compact');
  const kept = facts.cleanup_policy.includes('delete')
    ? facts.retention_ms < 0 ? 'kept for ever' : `kept for ${duration(facts.retention_ms)}`
    : 'the last message of each key is kept';
  return [
    chip(plural(facts.partition_count, 'partition')), chip(plural(facts.messages, 'message')), chip(bytes(facts.bytes)),
    chip(kept), compacted && chip('compacted', 'warn'), facts.internal && chip("the broker's own"),
  ].filter(Boolean);
}

function partitionsOf(facts) {
  const rows = facts.partitions.map((one) => {
    const number = h('a', { href: topicLink(facts.name, 'messages', { partition: one.partition }) }, `${one.partition}`);
    if (one.offline) return h('tr', {}, num(number), h('td', { colspan: 7 }, chip('offline', 'bad'), ' its log could not be opened'));
    const readers = facts.groups.flatMap((group) => group.positions.filter((at) => at.partition === one.partition).map((at) => ({ name: group.group, offset: at.offset })));
    const wrong = [one.refuses_writes && chip('refuses messages', 'bad'), one.damage > 0 && chip(plural(one.damage, 'damaged range'), 'bad'),
      one.synced < one.end && h('span', { title: 'They are in the page cache and survive the end of the broker, not a power cut.' }, chip(`${count(one.end - one.synced)} not synced`))];
    return h('tr', {}, num(number), num(count(one.start)),
      h('td', { class: 'wide' }, stream(one.start, one.end, readers, `partition ${one.partition}`)),
      num(count(one.end)), num(count(one.messages)), num(bytes(one.bytes)), num(when(one.last_write)), h('td', {}, wrong));
  });
  const turn = (skip) => { location.hash = topicLink(facts.name, 'partitions', { skip }); };
  return card('', h('p', { class: 'hint' }, 'Each stream runs from the oldest message that is kept to the newest; the marks are where groups stand.'),
    table('Partitions', ['#Partition', '#Start', 'Readers', '#End', '#Messages', '#On disk', '#Last write', 'State'], rows, 'There are none.'),
    pager(facts.partition_count, facts.skip, facts.partitions.length, turn));
}

function readersOf(facts) {
  const rows = facts.groups.flatMap((group) => [
    h('tr', {}, h('td', {}, h('a', { class: 'mono', href: groupLink(group.group) }, group.group)), h('td', {}, groupState(group.state)),
      num(count(group.members)), num(lag(group.lag)), num(count(group.positions.length)), num(when(group.committed))),
  ]);
  return card('', table('Readers', ['Group', 'State', '#Members', '#Behind', '#Partitions', '#Last commit'], rows,
    'No group has committed a position here. Consumers without a group, and those that never commit, leave no trace.'));
}
