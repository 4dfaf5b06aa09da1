// The first page: is anything wrong, what flows, and where is my message.

import { h, get, bytes, few, rate, count, ago, duration, plural, card, table, num, lag, groupState, topicLink, groupLink, later } from './ui.js';
import { chart } from './charts.js';
import { createTopic } from './forms.js';

const SPAN = 600000;

export async function overview(room, ctx) {
  ctx.title('');
  let facts = await get('/api/overview', {}, ctx.signal);
  const health = h('div', {});
  const tiles = h('div', { class: 'tiles' });
  const busy = h('div', {});
  const behind = h('div', {});
  const pictures = throughput(SPAN);
  let points = [];

  const refresh = async () => {
    const since = points.length ? points[points.length - 1][0] : 0;
    const live = await get('/api/live', { since }, ctx.signal);
    points = [...points, ...live.points].slice(-300);
    pictures.show(points);
  };
  const lists = async () => {
    const [topics, groups] = await Promise.all([
      get('/api/topics', { sort: 'rate', limit: 6 }, ctx.signal), get('/api/groups', { sort: 'lag', limit: 6 }, ctx.signal),
    ]);
    busy.replaceChildren(busiest(topics));
    behind.replaceChildren(furthest(groups));
  };
  const top = () => {
    health.replaceChildren(healthOf(facts));
    tiles.replaceChildren(...tilesOf(facts));
  };
  top();
  await Promise.all([refresh(), lists()]);
  ctx.every(2000, refresh);
  ctx.every(4000, async () => {
    facts = await get('/api/overview', {}, ctx.signal);
    top();
    await lists();
  });
  const flow = h('section', { class: 'charts', 'aria-label': 'Throughput' }, pictures.figures);
  const welcome = facts.topics === 0 ? empty(facts) : finder();
  room.append(h('h1', { class: 'hidden' }, 'Overview'), health, welcome, flow, tiles,
    facts.topics === 0 ? '' : h('div', { class: 'two' }, card('Busiest topics', busy), card('Groups, furthest behind first', behind)));
}

/** The three pictures of throughput. */
export function throughput(span) {
  const kinds = [
    chart('Messages in', 'in', span, (n) => `${rate(n)}/s`),
    chart('Bytes in', 'in', span, (n) => `${bytes(n)}/s`),
    chart('Bytes to consumers', 'out', span, (n) => `${bytes(n)}/s`),
  ];
  const show = (points) => kinds.forEach((kind, n) => kind.show(points.map((point) => [point[0], point[n + 1]])));
  return { figures: kinds.map((kind) => kind.figure), show };
}

function healthOf(facts) {
  const problems = facts.problems;
  const bad = problems.some((problem) => problem.level === 'bad');
  const warn = problems.some((problem) => problem.level === 'warn');
  const kind = bad ? 'bad' : warn ? 'warn' : 'good';
  const text = bad ? 'Something is wrong' : warn ? 'Look at this' : 'Everything is in order';
  const side = `Broker ${facts.broker}, up for ${duration(facts.uptime_ms)}; ${facts.durability}.`;
  const line = (problem) => h('li', { class: problem.level }, h('a', { href: problem.link }, problem.text));
  return h('section', { class: `health ${kind}`, 'aria-label': 'Health' },
    h('div', { class: 'sign', 'aria-hidden': 'true' }, kind === 'good' ? '\u2713' : '!'),
    h('div', {}, h('h2', {}, text), h('p', {}, side),
      problems.length > 0 && h('ul', {}, problems.slice(0, 5).map(line),
        problems.length > 5 && h('li', { class: 'note' }, `and ${problems.length - 5} more`))));
}

function tilesOf(facts) {
  const tile = (name, value, hint, href) =>
    h(href ? 'a' : 'div', { class: 'tile', href }, h('span', {}, name), h('strong', {}, value), h('small', {}, hint));
  const disk = facts.directories[0] ?? {};
  const share = disk.total ? Math.round((100 * disk.available) / disk.total) : null;
  return [
    tile('Topics', count(facts.topics), plural(facts.partitions, 'partition'), '#/topics'),
    tile('Messages kept', few(facts.messages), `${count(facts.messages)} offsets`),
    tile('On disk', bytes(facts.bytes), facts.directories.length > 1 ? plural(facts.directories.length, 'directory', 'directories') : "with the broker's own topics"),
    tile('Groups', count(facts.groups), 'that read or have read', '#/groups'),
    tile('Disk left', bytes(disk.available), share === null ? 'not told' : `${share} % of ${bytes(disk.total)}`, '#/broker'),
  ];
}

function busiest(answer) {
  const rows = answer.topics.map((topic) => h('tr', {},
    h('td', {}, h('a', { class: 'mono', href: topicLink(topic.name) }, topic.name)),
    num(topic.rate > 0 ? `${rate(topic.rate)}/s` : h('span', { class: 'dim' }, 'idle')), num(few(topic.messages)),
    num(topic.last ? ago(topic.last) : '\u2013')));
  return table('Busiest topics', ['Topic', '#Rate', '#Messages', '#Last message'], rows, 'There is no topic yet.');
}

function furthest(answer) {
  const rows = answer.groups.map((group) => h('tr', {},
    h('td', {}, h('a', { class: 'mono', href: groupLink(group.name) }, group.name)),
    h('td', {}, groupState(group.state)), num(lag(group.lag)), num(ago(group.committed))));
  return table('Groups', ['Group', 'State', '#Behind', '#Last commit'], rows, 'Nobody reads with a group yet.');
}

/** The question that brings most people here. */
function finder() {
  const names = h('datalist', { id: 'finder-names' });
  const topic = h('input', { id: 'finder-topic', list: 'finder-names', placeholder: 'orders', required: true, autocomplete: 'off', spellcheck: 'false' });
  const text = h('input', { id: 'finder-text', placeholder: 'a text in it, or nothing for the newest', autocomplete: 'off', spellcheck: 'false' });
  topic.addEventListener('input', later(120, async () => {
    const found = await get('/api/topics', { q: topic.value, limit: 20 }).catch(() => ({ topics: [] }));
    names.replaceChildren(...found.topics.map((one) => h('option', { value: one.name })));
  }));
  const submit = (event) => {
    event.preventDefault();
    location.hash = topicLink(topic.value.trim(), 'messages', text.value ? { find: text.value } : {});
  };
  return h('form', { class: 'finder card', onsubmit: submit },
    h('h2', {}, 'Where is my message?'),
    h('label', { for: 'finder-topic' }, 'Topic'), topic, names,
    h('label', { for: 'finder-text' }, 'Contains'), text,
    h('button', { class: 'primary' }, 'Find it'));
}

function empty(facts) {
  const port = facts.listeners[0]?.port || 9092;
  return h('section', { class: 'welcome card' },
    h('h2', {}, 'No topic yet'),
    h('p', {}, 'The broker is ready. A topic is made when the first message is sent to it, or by hand:'),
    h('pre', {}, h('code', {}, [
      `kafka-topics.sh --bootstrap-server localhost:${port} --create --topic hello`,
      `echo "first message" | kafka-console-producer.sh --bootstrap-server localhost:${port} --topic hello`,
      `kafka-console-consumer.sh --bootstrap-server localhost:${port} --topic hello --from-beginning`,
    ].join('\n'))),
    facts.writes && h('button', { type: 'button', class: 'primary', onclick: createTopic }, 'Create a topic here'));
}
