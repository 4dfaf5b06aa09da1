// Pictures: throughput over time, and where readers stand in a partition.

import { h, s, moment } from './ui.js';

const WIDTH = 600;
const HEIGHT = 120;

/** A rounded top of the scale above a value: 1, 2 or 5 times a power of ten. */
function top(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

/**
 * A figure with its history. `span` is the width of the picture in milliseconds; `text` writes a value.
 * Give it points with `show([[time, value], ...])`.
 */
export function chart(title, kind, span, text) {
  const now = h('strong', {}, text(0));
  const line = s('path', { class: 'line' });
  const area = s('path', { class: 'area' });
  const mark = s('line', { class: 'mark', y1: 0, y2: HEIGHT, visibility: 'hidden' });
  const grid = [0.25, 0.5, 0.75].map((y) => s('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y * HEIGHT, y2: y * HEIGHT }));
  const svg = s('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    grid, area, line, mark);
  const most = h('span', { class: 'most' }, '');
  const tip = h('span', { class: 'tip', hidden: true });
  const plot = h('div', { class: 'plot' }, svg, most, tip);
  const left = span >= 600000 ? '10 min ago' : '3 min ago';
  const figure = h('figure', { class: `chart ${kind}`, role: 'img' },
    h('figcaption', {}, h('span', {}, title), now), plot,
    h('div', { class: 'axis', 'aria-hidden': 'true' }, h('span', {}, left), h('span', {}, 'now')));
  let points = [];
  let end = Date.now();
  const x = (time) => WIDTH * (1 - (end - time) / span);

  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    const time = end - span * (1 - (event.clientX - box.left) / box.width);
    const near = points.reduce((a, b) => (a && Math.abs(a[0] - time) < Math.abs(b[0] - time) ? a : b), null);
    if (!near) return;
    const at = x(near[0]);
    mark.setAttribute('x1', at);
    mark.setAttribute('x2', at);
    mark.setAttribute('visibility', 'visible');
    tip.hidden = false;
    tip.textContent = `${text(near[1])} at ${moment(near[0], false)}`;
    tip.classList.toggle('from-right', at > WIDTH / 2);
    tip.style.left = `${(100 * at) / WIDTH}%`;
  });
  plot.addEventListener('pointerleave', () => {
    tip.hidden = true;
    mark.setAttribute('visibility', 'hidden');
  });

  const show = (all) => {
    end = all.length ? all[all.length - 1][0] : Date.now();
    points = all.filter(([time]) => time >= end - span);
    const max = Math.max(0, ...points.map(([, value]) => value));
    const scale = top(max);
    const y = (value) => HEIGHT - 2 - (HEIGHT - 8) * (value / scale);
    const path = points.map(([time, value], n) => `${n ? 'L' : 'M'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    line.setAttribute('d', path);
    area.setAttribute('d', points.length > 1 ? `${path}L${x(end)} ${HEIGHT}L${x(points[0][0]).toFixed(1)} ${HEIGHT}Z` : '');
    const last = points.length ? points[points.length - 1][1] : 0;
    now.textContent = text(last);
    most.textContent = max > 0 ? text(scale) : '';
    figure.setAttribute('aria-label', `${title}: ${text(last)} now, at most ${text(max)}`);
  };
  show([]);
  return { figure, show };
}

/**
 * A partition as a stream from its start to its end, with a mark where each reader stands.
 * `readers`: [{name, offset}].
 */
export function stream(start, end, readers, label) {
  const length = Math.max(1, end - start);
  const at = (offset) => 100 * Math.min(1, Math.max(0, (offset - start) / length));
  const slowest = readers.length ? Math.min(...readers.map((reader) => at(reader.offset))) : 0;
  const seen = readers.map((reader) => {
    const behind = Math.max(0, end - reader.offset);
    return s('g', {}, s('title', {}, `${reader.name} is at ${reader.offset}, ${behind} behind`),
      s('rect', { class: behind ? 'reader behind' : 'reader', x: Math.min(98.6, at(reader.offset)), y: 1, width: 1.4, height: 12, rx: 0.7 }));
  });
  const words = readers.map((reader) => `${reader.name} at ${reader.offset}`).join(', ');
  return s('svg', { class: 'stream', viewBox: '0 0 100 14', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${label}: ${start} to ${end}. ${words}` },
    s('rect', { class: 'bed', x: 0, y: 4, width: 100, height: 6, rx: 3 }),
    readers.length && end > start ? s('rect', { class: 'read', x: 0, y: 4, width: slowest, height: 6, rx: 3 }) : null,
    seen);
}
