// The broker: who it is, where its data lies, how it is set.

import { h, get, bytes, duration, card, table, chip, later } from './ui.js';

export async function broker(room, ctx) {
  ctx.title('Broker');
  const [facts, set] = await Promise.all([get('/api/overview', {}, ctx.signal), get('/api/settings', {}, ctx.signal)]);
  const fact = (name, ...value) => [h('dt', {}, name), h('dd', {}, value)];
  const listeners = facts.listeners.map((one) => h('div', {}, h('span', { class: 'mono' }, `${one.name} `), `${one.host}, port ${one.port || 'any'}`,
    h('span', { class: 'dim' }, one.advertised ? `; clients are told ${one.advertised}` : '; clients are told the address they dialled')));
  room.append(
    h('div', { class: 'head' }, h('h1', {}, `Broker ${facts.broker}`)),
    card('Facts', h('dl', { class: 'facts' },
      fact('Version', `Corrente ${facts.version}`), fact('Cluster', h('span', { class: 'mono' }, facts.cluster)),
      fact('Up for', duration(facts.uptime_ms)), fact('Listens', listeners),
      fact('Durability', facts.durability),
      fact('Topics are kept in', facts.zookeeper ? h('span', {}, 'ZooKeeper at ', h('span', { class: 'mono' }, facts.zookeeper)) : 'its own metadata log'),
      fact('This console', facts.writes ? chip('may change things', 'warn') : 'only shows; console.writes.enable=true lets it change things'),
      fact('Figures', h('a', { href: '/metrics' }, '/metrics'), ' for Prometheus, ', h('a', { href: '/readyz' }, '/readyz'), ' for probes'))),
    card('Data', facts.directories.map(disk)),
    settingsCard('Settings', set.settings));
}

function disk(dir) {
  if (!dir.total) return h('p', { class: 'mono' }, dir.path);
  const used = 1 - dir.available / dir.total;
  const meter = h('meter', { min: 0, max: 1, low: 0.8, high: 0.95, optimum: 0, value: used, 'aria-label': `${Math.round(100 * used)} % of the disk is used` });
  return h('div', { class: 'disk' }, h('span', { class: 'mono' }, dir.path), meter, h('span', {}, `${bytes(dir.available)} of ${bytes(dir.total)} left`));
}

/** Settings with a field to look among them; those that somebody made come first. */
export function settingsCard(title, settings) {
  const body = h('div', {});
  const show = (q) => {
    const found = settings.filter((one) => one.name.includes(q) || one.doc.toLowerCase().includes(q));
    const rows = found.map((one) => h('tr', { class: one.is_set && 'is-set' },
      h('td', {}, h('span', { class: 'mono' }, one.name), h('small', { class: 'dim' }, one.doc)),
      h('td', { class: 'mono long' }, one.secret ? h('span', { class: 'dim' }, 'not shown') : one.value === null ? h('span', { class: 'dim' }, 'none') : one.value || h('span', { class: 'dim' }, 'empty')),
      h('td', {}, one.is_set ? chip(one.source, 'good') : h('span', { class: 'dim' }, one.source))));
    body.replaceChildren(table(title, ['Setting', 'Value', 'Set by'], rows, 'No setting has that in its name.'));
  };
  show('');
  const find = h('input', { type: 'search', placeholder: 'Name or meaning', 'aria-label': 'Settings with this in their name or meaning', oninput: later(100, () => show(find.value.trim().toLowerCase())) });
  return h('section', { class: 'card' }, h('div', { class: 'card-head' }, h('h2', {}, title), find), body);
}
