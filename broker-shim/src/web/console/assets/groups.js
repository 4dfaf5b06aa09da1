// Who reads: all groups, and one with its members and every position.

import { h, get, count, plural, when, card, table, num, lag, groupState, chip, pager, later, topicLink, groupLink } from './ui.js';
import { stream } from './charts.js';

export async function groups(room, ctx) {
  ctx.title('Groups');
  const view = { q: ctx.params.get('q') ?? '', sort: ctx.params.get('sort') ?? 'lag', skip: Number(ctx.params.get('skip') ?? 0) };
  const list = h('div', { class: 'card' });
  const show = async () => {
    const answer = await get('/api/groups', view, ctx.signal);
    list.replaceChildren(listOf(answer, view), pager(answer.total, answer.skip, answer.groups.length, turn) ?? '');
    ctx.remember({ q: view.q, sort: view.sort === 'lag' ? '' : view.sort, skip: view.skip || '' });
  };
  const turn = (skip) => { view.skip = skip; show(); };
  const change = later(150, () => { view.q = find.value.trim(); view.skip = 0; show(); });
  const find = h('input', { type: 'search', 'aria-label': 'Groups with this in their name', placeholder: 'Name', value: view.q, oninput: change });
  const sort = h('select', { 'aria-label': 'Order', onchange: () => { view.sort = sort.value; view.skip = 0; show(); } },
    h('option', { value: 'lag' }, 'furthest behind first'), h('option', { value: 'name' }, 'by name'));
  sort.value = view.sort;
  room.append(h('div', { class: 'head' }, h('h1', {}, 'Groups'), h('div', { class: 'tools' }, find, sort)), list);
  await show();
  ctx.every(3000, show);
}

function listOf(answer, view) {
  const rows = answer.groups.map((group) => h('tr', {},
    h('td', {}, h('a', { class: 'mono', href: groupLink(group.name) }, group.name)),
    h('td', {}, groupState(group.state)), num(count(group.members)), num(count(group.topics)), num(lag(group.lag)),
    num(when(group.committed))));
  const none = view.q ? `No group has "${view.q}" in its name.` : 'No group yet: consumers with a group.id show up here as soon as they join or commit.';
  return table('Groups', ['Group', 'State', '#Members', '#Topics', '#Behind', '#Last commit'], rows, none);
}

export async function group(room, ctx) {
  const name = ctx.parts[0] ?? '';
  ctx.title(name);
  const head = h('div', {});
  const body = h('div', {});
  const show = async () => {
    const answer = await get('/api/group', { name }, ctx.signal);
    head.replaceChildren(headOf(answer));
    body.replaceChildren(membersOf(answer), positionsOf(answer));
  };
  await show();
  ctx.every(2000, show);
  room.append(head, body);
}

function headOf(group) {
  const words = group.lag === null ? group.lag_text : group.lag === 0 ? 'has read everything' : `${plural(group.lag, 'message')} behind`;
  return h('div', { class: 'head' },
    h('div', {}, h('p', { class: 'crumbs' }, h('a', { href: '#/groups' }, 'Groups')), h('h1', { class: 'mono' }, group.name),
      h('p', { class: 'chips' }, groupState(group.state), chip(words, group.lag ? 'warn' : 'good'),
        chip(plural(group.members.length, 'member')), group.protocol && chip(group.protocol),
        group.committed && h('span', { class: 'dim' }, 'last commit ', when(group.committed)))));
}

function membersOf(group) {
  const rows = group.members.map((member) => h('tr', {},
    h('td', {}, h('span', { class: 'mono' }, member.client || 'no name'), member.instance && chip(member.instance)),
    h('td', { class: 'mono' }, member.host),
    h('td', {}, partitionsOf(member.partitions)), h('td', { class: 'mono dim long' }, member.id)));
  const none = group.state === 'Empty' ? 'Nobody is in the group now: nobody reads on. Its positions are kept for when somebody comes back.' : 'Nobody yet.';
  return card('Members', table('Members', ['Client', 'Address', 'Reads partitions', 'Member id'], rows, none));
}

function partitionsOf(partitions) {
  const topics = Map.groupBy ? Map.groupBy(partitions, (one) => one.topic) : new Map();
  if (!topics.size) return h('span', { class: 'dim' }, 'nothing');
  return [...topics].map(([topic, all]) => h('div', {}, h('a', { class: 'mono', href: topicLink(topic) }, topic), ' ',
    all.map((one) => one.partition).sort((a, b) => a - b).join(', ')));
}

function positionsOf(group) {
  const rows = group.positions.map((at) => h('tr', {},
    h('td', {}, h('a', { class: 'mono', href: topicLink(at.topic, 'messages', { partition: at.partition, at: `offset:${at.offset}`, dir: 'newer' }) }, `${at.topic}-${at.partition}`)),
    num(count(at.offset)), num(count(at.end)), num(lag(at.lag)),
    h('td', { class: 'wide' }, at.end === null ? '' : stream(at.start, at.end, [{ name: group.name, offset: at.offset }], 'position')),
    h('td', {}, at.owner ? h('span', { class: 'mono' }, at.owner) : h('span', { class: 'dim' }, 'nobody')), num(when(at.committed))));
  return card('Positions', table('Positions', ['Partition', '#Next offset', '#End', '#Behind', 'From start to end', 'Read by', '#Committed'], rows,
    'Nothing is committed: the group reads, but where it stands it keeps to itself.'));
}
