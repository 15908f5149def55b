'use strict';
const data = page.data;
const { workers, labels, slots, step } = data;
const DAY = 86400, FEW = 10, MOST_ROWS = 60;
const daily = step >= DAY;
const byId = (id) => document.getElementById(id);

// ---- counts -------------------------------------------------------------------------------------------------
// A cube as it came: sorted keys in mixed radix, as differences. Each dimension becomes a column of places.
function decode(cube) {
  const { dimensions, sizes, keys, counts } = cube;
  const columns = Object.fromEntries(dimensions.map((name) => [name, new Int32Array(keys.length)]));
  let key = 0;
  keys.forEach((difference, row) => {
    key += difference;
    let rest = key;
    for (let i = dimensions.length - 1; i >= 0; i -= 1) {
      columns[dimensions[i]][row] = rest % sizes[i];
      rest = Math.floor(rest / sizes[i]);
    }
  });
  return { columns, counts, sizes: Object.fromEntries(dimensions.map((name, i) => [name, sizes[i]])) };
}

const byLabel = decode(data.by_label);
const whole = data.answers ? decode(data.answers) : byLabel;
const votes = decode(data.votes);
const shared = decode(data.shared);
const filter = { worker: null, label: null, from: null, to: null };

// Sums over the cells that pass the filters, by the dimensions in `by`; a filter on one in `open` does not count.
function sum(cube, by, open = []) {
  const { columns, counts, sizes } = cube;
  const made = new Float64Array(by.reduce((n, name) => n * sizes[name], 1));
  const wanted = ['worker', 'label'].filter((name) => filter[name] !== null && !open.includes(name) && columns[name]);
  const timed = (filter.from !== null || filter.to !== null) && !open.includes('slot');
  const from = filter.from ?? 0, to = filter.to ?? slots.length - 1;
  for (let row = 0; row < counts.length; row += 1) {
    if (wanted.some((name) => columns[name][row] !== filter[name])) continue;
    if (timed && (columns.slot[row] < from || columns.slot[row] > to)) continue;
    let place = 0;
    for (const name of by) place = place * sizes[name] + columns[name][row];
    made[place] += counts[row];
  }
  return made;
}

// An answer that names several labels stands under each of them; where no label is asked for it counts once.
function answers(by, open = []) {
  const named = by.includes('label') || (filter.label !== null && !open.includes('label'));
  return sum(named ? byLabel : whole, by, open);
}

const total = (values) => values.reduce((a, b) => a + b, 0);
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const plural = (n, what) => `${page.number(n)} ${what}${n === 1 ? '' : 's'}`;
const single = (list) => list.map((_, i) => i).filter((i) => !list[i].others);

function wilson(k, n) {
  const z = 1.96, half = z * Math.sqrt((k * (n - k)) / n + (z * z) / 4);
  return [(k + (z * z) / 2 - half) / (n + z * z), (k + (z * z) / 2 + half) / (n + z * z)];
}

const secondsName = (bin) => {
  const [low, high] = [data.seconds[bin], data.seconds[bin + 1]];
  const show = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${s / 60} min` : `${s / 3600} h`);
  return high === undefined ? `${show(low)} +` : `${high <= 60 ? low : show(low)}–${show(high)}`;
};

function medianBin(counts) {
  let seen = 0;
  const all = total(counts);
  return all === 0 ? null : counts.findIndex((n) => (seen += n) >= all / 2);
}

const slotName = (slot) => slots[slot].replace('T', ' ');
// Vega-Lite reads a time without a zone as local, so what is shown is the team's clock.
const slotTime = (slot) => +new Date(daily ? `${slots[slot]}T00:00` : slots[slot]);
const slotLength = { 60: 'minute', 300: 'five minutes', 3600: 'hour', 86400: 'day', 604800: 'week' }[step] ?? 'four weeks';

// ---- charts: rows from the counts, a spec for the rows, a sentence, a table ---------------------------------
const quantity = (field, title, more = {}) => ({ field, type: 'quantitative', title, ...more });
const integer = { tickMinStep: 1, format: ',d' };
const picked = { condition: { test: 'datum.on', value: 1 }, value: 0.28 };
const bars = (title) => ({
  width: 'container', height: { step: 20 }, mark: { type: 'bar', cornerRadiusEnd: 2, tooltip: { content: 'data' } },
  encoding: {
    y: { field: 'name', type: 'nominal', sort: null, title: null, scale: { paddingInner: 0.12 }, axis: { ticks: false, domain: false, labelPadding: 6, labelLimit: 150 } },
    x: quantity('n', title, { axis: { ...integer, orient: 'top', tickCount: 4 } }), opacity: picked,
    tooltip: [{ field: 'full', title: 'name' }, quantity('n', title, { format: ',d' }), quantity('share', 'share', { format: '.1%' })],
  },
});
const clock = !daily ? (slots.length * step > DAY ? '%d %b %H:%M' : '%H:%M') : slots.length * step > 300 * DAY ? '%d %b %Y' : '%d %b';
const overTime = { field: 'time', type: 'temporal', title: null, axis: { labelOverlap: true, tickCount: { expr: 'max(2, width / 90)' }, format: clock } };
const dots = {
  width: 'container', height: { step: 20 },
  encoding: { y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { ticks: false, domain: false, labelPadding: 6, labelLimit: 150 } } },
  layer: [
    { mark: { type: 'rule', strokeWidth: 2, opacity: 0.55 }, encoding: {
      x: quantity('low', 'share that most others gave, too', { scale: { domain: [0, 1] }, axis: { format: '.0%', orient: 'top', tickCount: 5 } }),
      x2: { field: 'high' }, opacity: picked } },
    { mark: { type: 'point', filled: true, size: 70 }, encoding: { x: quantity('share', ''), opacity: picked,
      tooltip: [{ field: 'full', title: 'name' }, quantity('share', 'agreement', { format: '.1%' }), quantity('low', '95 % from', { format: '.1%' }),
        quantity('high', 'to', { format: '.1%' }), quantity('n', 'labels compared', { format: ',d' })] } },
  ],
};

// Named entries with their counts, the fullest first; the one that stands for all others comes last.
function ranked(list, counts, key) {
  const all = total(counts);
  return list.map((one, place) => ({ place, name: one.short, full: one.name, n: counts[place], share: all ? counts[place] / all : 0,
    on: filter[key] === null || filter[key] === place, others: one.others || 0 }))
    .filter((row) => row.n > 0).sort((a, b) => !!a.others - !!b.others || b.n - a.n || a.place - b.place);
}

function agreement(list, key) {
  const n = sum(votes, [key], [key]), k = sum(shared, [key], [key]);
  const every = single(list).filter((i) => n[i] > 0).map((i) => {
    const [low, high] = wilson(k[i], n[i]);
    return { place: i, name: list[i].short, full: list[i].name, n: n[i], share: k[i] / n[i], low, high,
      on: filter[key] === null || filter[key] === i };
  });
  const rows = every.filter((row) => row.n >= FEW).sort((a, b) => b.low - a.low);
  const few = every.length - rows.length;
  const [some, most] = [total(n), total(k)];
  const said = some ? `${percent(most / some)} of ${plural(some, 'label')} are what most others gave, too.` : 'No data row was answered by two or more.';
  return { rows, note: `${said} Bars are 95 % intervals.${few ? ` ${plural(few, key)} with fewer than ${FEW} not shown.` : ''}` };
}

const tenBusiest = (rows) => {
  const named = rows.filter((row) => !row.others), all = total(rows.map((row) => row.n));
  return named.length > 10 ? ` The 10 busiest gave ${percent(total(named.slice(0, 10).map((row) => row.n)) / all)}.` : '';
};

// The mix shows the most frequent labels in colours of their own, the rest in grey.
const COLORS = ['#4c78a8', '#f58518', '#54a24b', '#e45756', '#72b7b2', '#eeca3b', '#b279a2', '#ff9da6', '#9d755d', '#6f9fec'];
const REST = 'all others';
const mixed = labels.map((_, l) => l).slice(0, labels.length > COLORS.length ? COLORS.length - 1 : COLORS.length);

const charts = {
  time: {
    rows() {
      const n = answers(['slot'], ['slot']), on = (s) => s >= (filter.from ?? 0) && s <= (filter.to ?? slots.length - 1);
      return slots.map((_, s) => ({ slot: s, time: slotTime(s), end: slotTime(s) + step * 920, name: slotName(s), n: n[s], on: on(s) }));
    },
    note: (rows) => (rows.length ? `Answers per ${slotLength}; at most ${page.number(Math.max(...rows.map((row) => row.n)))}.` : 'No answer has a time.'),
    spec: { width: 'container', height: 150, mark: { type: 'rect', tooltip: { content: 'data' } }, encoding: {
      x: overTime, x2: { field: 'end' }, y: quantity('n', 'answers', { axis: { ...integer, tickCount: 4 } }), y2: { datum: 0 }, opacity: picked,
      tooltip: [{ field: 'name', title: 'from' }, quantity('n', 'answers', { format: ',d' })] } },
    table: { header: [`from (${slotLength})`, 'answers'], row: (row) => [row.name, row.n] },
    click: (row) => ({ from: filter.from === row.slot && filter.to === row.slot ? null : row.slot, to: filter.from === row.slot && filter.to === row.slot ? null : row.slot }),
  },
  worker: {
    rows: () => ranked(workers, answers(['worker'], ['worker']), 'worker'),
    note(rows) {
      const others = rows.find((row) => row.others);
      const named = rows.filter((row) => !row.others).length;
      return `${plural(named, 'worker')}${others ? `, and ${others.name}` : ''}.${tenBusiest(rows)}`;
    },
    spec: bars('answers'),
    table: { header: ['worker', 'answers', 'share'], row: (row) => [row.full, row.n, row.share] },
    click: (row) => toggle('worker', row.place),
  },
  label: {
    rows: () => ranked(labels, answers(['label'], ['label']), 'label'),
    note(rows) {
      const named = rows.filter((row) => !row.others);
      const times = named.length > 1 ? named[0].n / named[named.length - 1].n : 1;
      return `${plural(named.length, 'label')}.${times > 1 ? ` The most frequent has ${page.number(+times.toPrecision(2))} times the answers of the rarest.` : ''}`;
    },
    spec: bars('answers'),
    table: { header: ['label', 'answers', 'share'], row: (row) => [row.full, row.n, row.share] },
    click: (row) => toggle('label', row.place),
  },
  bucket: {
    rows() {
      if (filter.worker === null && filter.label === null && filter.from === null && filter.to === null) {
        return data.buckets.map(([low, high, n], i) => ({ bucket: i, name: bucketName(low, high), n }));
      }
      const n = answers(['worker'], ['worker']);
      return data.buckets.map(([low, high], i) => ({ bucket: i, name: bucketName(low, high),
        n: single(workers).filter((w) => n[w] >= low && (high === null || n[w] <= high) && workers[w].name !== '(not said)'
          && (filter.worker === null || filter.worker === w)).length }));
    },
    note: (rows) => `${plural(total(rows.map((row) => row.n)), 'worker')} by how many of the chosen answers they gave.${workers.some((one) => one.others) && active()
      ? ' Only workers with a name here are counted while a filter is set.' : ''}`,
    spec: { width: 'container', height: 190, mark: { type: 'bar', cornerRadiusEnd: 2, tooltip: { content: 'data' } }, encoding: {
      x: { field: 'name', type: 'nominal', sort: null, title: 'answers', axis: { labelAngle: 0, ticks: false } },
      y: quantity('n', 'workers', { axis: { ...integer, tickCount: 4 } }),
      tooltip: [{ field: 'name', title: 'answers' }, quantity('n', 'workers', { format: ',d' })] } },
    table: { header: ['answers', 'workers'], row: (row) => [row.name, row.n] },
  },
  seconds: {
    rows() {
      const n = answers(['seconds']);
      const used = data.seconds.map((_, i) => i).filter((i) => n[i] > 0);
      return data.seconds.map((_, bin) => ({ bin, name: secondsName(bin), n: n[bin] })).slice(used[0] ?? 0, (used[used.length - 1] ?? -1) + 1);
    },
    note() {
      const n = answers(['seconds']), unknown = n[data.seconds.length], median = medianBin(n.slice(0, data.seconds.length));
      if (median === null) return 'No times are known.';
      return `Half of the tasks took less than ${secondsName(median).replace(/^.*–/, '')}, ${data.seconds_from}.${unknown ? ` ${plural(unknown, 'answer')} without a time.` : ''}`;
    },
    spec: { width: 'container', height: 190, mark: { type: 'bar', tooltip: { content: 'data' } }, encoding: {
      x: { field: 'name', type: 'nominal', sort: null, title: null, scale: { paddingInner: 0.06 }, axis: { labelAngle: -40, ticks: false, labelOverlap: true } },
      y: quantity('n', 'answers', { axis: { ...integer, tickCount: 4 } }),
      tooltip: [{ field: 'name', title: 'time' }, quantity('n', 'answers', { format: ',d' })] } },
    table: { header: ['time', 'answers'], row: (row) => [row.name, row.n] },
  },
  heat: {
    rows() {
      const n = answers(['worker', 'label'], ['worker', 'label']), made = [];
      const ofWorker = workers.map((_, w) => total(n.slice(w * labels.length, (w + 1) * labels.length)));
      for (let w = 0; w < workers.length; w += 1) {
        for (let l = 0; l < labels.length; l += 1) {
          const count = n[w * labels.length + l];
          if (count > 0) made.push({ worker: w, label: l, name: workers[w].short, full: workers[w].name, what: labels[l].name, n: count, all: ofWorker[w],
            share: count / ofWorker[w], on: (filter.worker === null || filter.worker === w) && (filter.label === null || filter.label === l) });
        }
      }
      return made.sort((a, b) => b.all - a.all || a.worker - b.worker || a.label - b.label);
    },
    note: () => `Each row is a worker; the shade is a label's share of the worker's own answers.${workers.length > MOST_ROWS ? ` The ${MOST_ROWS} busiest are drawn.` : ''}`,
    drawn(rows) {
      const first = new Set([...new Set(rows.map((row) => row.worker))].slice(0, MOST_ROWS));
      return rows.filter((row) => first.has(row.worker));
    },
    spec: { width: 'container', height: { step: 20 }, mark: { type: 'rect', tooltip: { content: 'data' } }, encoding: {
      y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { ticks: false, domain: false } },
      x: { field: 'what', type: 'nominal', sort: labels.map((one) => one.name), title: null, axis: { orient: 'top', labelAngle: labels.length > 8 ? -35 : 0, ticks: false, domain: false, labelLimit: 120, labelOverlap: true } },
      color: quantity('share', 'share', { scale: { domainMin: 0, interpolate: 'rgb' }, legend: { format: '.0%', tickCount: 4 } }), opacity: picked,
      tooltip: [{ field: 'full', title: 'worker' }, { field: 'what', title: 'label' }, quantity('n', 'answers', { format: ',d' }), quantity('share', 'share', { format: '.1%' })] } },
    table: { header: ['worker', 'label', 'answers', 'share of worker'], row: (row) => [row.full, row.what, row.n, row.share] },
    click: (row) => (filter.worker === row.worker && filter.label === row.label ? { worker: null, label: null } : { worker: row.worker, label: row.label }),
  },
  'worker-agreement': {
    rows: () => agreement(workers, 'worker').rows, note: () => agreement(workers, 'worker').note, spec: dots,
    table: { header: ['worker', 'agreement', 'from', 'to', 'compared'], row: (row) => [row.full, row.share, row.low, row.high, row.n] },
    click: (row) => toggle('worker', row.place),
  },
  'label-agreement': {
    rows: () => agreement(labels, 'label').rows, note: () => agreement(labels, 'label').note, spec: dots,
    table: { header: ['label', 'agreement', 'from', 'to', 'compared'], row: (row) => [row.full, row.share, row.low, row.high, row.n] },
    click: (row) => toggle('label', row.place),
  },
  mix: {
    rows() {
      const n = answers(['slot', 'label'], ['label']), made = [];
      const groups = Math.max(1, Math.ceil(slots.length / 40));  // so that a bar is wide enough to be seen
      for (let s = 0; s < slots.length; s += groups) {
        const slice = (l) => total(Array.from({ length: Math.min(groups, slots.length - s) }, (_, i) => n[(s + i) * labels.length + l]));
        const whole = total(labels.map((_, l) => slice(l)));
        const named = mixed.map((l) => ({ l, name: labels[l].name, n: slice(l) }));
        const rest = whole - total(named.map((one) => one.n));
        let below = 0;
        for (const one of [...named, { l: null, name: REST, n: rest }]) {
          if (one.n > 0) made.push({ low: below / whole, high: (below += one.n) / whole, slot: s, time: slotTime(s), end: slotTime(Math.min(s + groups, slots.length) - 1) + step * 1000, from: slotName(s), label: one.l,
            what: one.name, n: one.n, share: one.n / whole, on: filter.label === null || filter.label === one.l });
        }
      }
      return made;
    },
    note: (rows) => (rows.length ? 'Shares of the labels: a band that grows or shrinks is an imbalance in the making.' : 'No answer has a time.'),
    spec: { width: 'container', height: 190, mark: { type: 'rect', tooltip: { content: 'data' } }, encoding: {
      x: overTime, x2: { field: 'end' }, y: quantity('low', 'share', { scale: { domain: [0, 1] }, axis: { format: '.0%', tickCount: 4 } }), y2: { field: 'high' },
      color: { field: 'what', type: 'nominal', title: null, sort: null, scale: { domain: [...mixed.map((l) => labels[l].name), ...(mixed.length < labels.length ? [REST] : [])],
        range: [...COLORS.slice(0, mixed.length), '#9aa3ad'] }, legend: { orient: 'bottom', columns: { expr: 'max(2, floor(width / 120))' }, labelLimit: 100, symbolLimit: 11 } },
      opacity: picked, tooltip: [{ field: 'from' }, { field: 'what', title: 'label' }, quantity('n', 'answers', { format: ',d' }), quantity('share', 'share', { format: '.1%' })] } },
    table: { header: ['from', 'label', 'answers', 'share'], row: (row) => [row.from, row.what, row.n, row.share] },
    click: (row) => (row.label === null ? null : toggle('label', row.label)),
  },
  progress: {
    rows() {
      const done = completed();
      let seen = 0;
      const made = done.map((n, s) => ({ kind: 'done', time: slotTime(s) + step * 1000, name: slotName(s), n: (seen += n), low: null, high: null }));
      const made_of = outlook();
      if (made_of.mean === undefined || !(made_of.mean > 0)) return made;
      const ahead = Math.min(made_of.latest ?? 180, 180, (made_of.expected ?? 60) * 3);
      for (let h = 0; h <= ahead; h += Math.max(1, Math.ceil(ahead / 60))) {
        const reach = made_of.spread * Math.sqrt(h + (h * h) / made_of.days), middle = seen + h * made_of.mean;
        made.push({ kind: 'forecast', time: slotTime(made_of.last) + DAY * 1000 * (h + 1), name: dayAhead(made_of, h), n: middle, low: Math.max(seen, middle - reach), high: middle + reach });
      }
      return made;
    },
    note() {
      const made = outlook(), done = answers(['done'])[1];
      const so = `${plural(done, 'data row')} completed${active() ? ' by the chosen answers' : ` of ${page.number(data.goal)}`}.`;
      if (made.why) return `${so} No forecast: ${made.why}.`;
      const when = (h) => (h === null ? 'more than ten years from now' : dayAhead(made, h));
      return `${so} At ${page.number(+made.mean.toPrecision(3))} a day the rest is done by ${when(made.expected)}; 90 %: ${when(made.earliest)} to ${when(made.latest)}.`;
    },
    spec: { width: 'container', height: 190, encoding: { x: { field: 'time', type: 'temporal', title: null, axis: overTime.axis } }, layer: [
      { transform: [{ filter: "datum.kind === 'forecast'" }], mark: { type: 'area', opacity: 0.22 }, encoding: { y: quantity('low', 'data rows completed'), y2: { field: 'high' } } },
      { transform: [{ filter: "datum.kind === 'forecast'" }], mark: { type: 'line', strokeDash: [5, 4] }, encoding: { y: quantity('n', '') } },
      { transform: [{ filter: "datum.kind === 'done'" }], mark: { type: 'line', interpolate: 'step-before', strokeWidth: 2 }, encoding: { y: quantity('n', '') } },
      { transform: [{ filter: "datum.kind === 'done'" }], mark: { type: 'point', filled: true, size: 18 }, encoding: { y: quantity('n', ''),
        tooltip: [{ field: 'name', title: 'until' }, quantity('n', 'completed', { format: ',d' })] } },
      { data: { values: [{ goal: data.goal }] }, mark: { type: 'rule', strokeDash: [2, 3], opacity: 0.6 }, encoding: { x: null, y: quantity('goal', '') } },
    ] },
    table: { header: ['until', 'data rows completed', '90 % from', 'to'], row: (row) => [row.kind === 'done' ? row.name : `${row.name} (forecast)`, Math.round(row.n),
      row.low === null ? null : Math.round(row.low), row.high === null ? null : Math.round(row.high)] },
  },
};

const bucketName = (low, high) => (high === null ? `${low}+` : low === high ? `${low}` : `${low}–${high}`);
const toggle = (key, place) => ({ [key]: filter[key] === place ? null : place });
const active = () => Object.values(filter).some((value) => value !== null);

// Data rows completed in each slot, by the chosen answers.
function completed() {
  const n = answers(['slot', 'done']);
  return slots.map((_, s) => n[2 * s + 1]);
}

// The forecast from the pace of the chosen answers; what is left is what nobody has done.
function outlook() {
  const everything = whole.counts.reduce((n, count, row) => n + (whole.columns.done[row] === 1 ? count : 0), 0);
  const rest = data.goal - everything;
  if (rest > 0 && everything > 0 && slots.length === 0) return { why: 'no answer has a time' };
  if (rest > 0 && step !== DAY) return { why: 'it takes work over several days, and no more than 400, to tell' };
  return forecast(completed(), rest);
}

function dayAhead(made, h) {
  const day = new Date(`${slots[made.last]}T00:00Z`);
  day.setUTCDate(day.getUTCDate() + h);
  return day.toISOString().slice(0, 10);
}

// ---- the page ---------------------------------------------------------------------------------------------
const views = {}, rows = {};

async function draw(name) {
  const place = byId(`${name}-chart`);
  place.replaceChildren();
  const spec = { ...charts[name].spec, description: byId(`${name}-title`).textContent, data: { name: 'rows', values: [] } };
  views[name] = await page.chart(place, spec);
  if (charts[name].click) {
    views[name].addEventListener('click', (_event, item) => {
      const change = item && item.datum && item.datum.on !== undefined ? charts[name].click(item.datum) : null;
      if (change) choose(change);
    });
  }
}

async function show(name) {
  const chart = charts[name];
  rows[name] = chart.rows();
  byId(`${name}-note`).textContent = chart.note(rows[name]);
  if (byId(`${name}-table`).open) fill(name);
  await views[name].data('rows', (chart.drawn ?? ((all) => all))(rows[name])).resize().runAsync();
}

function fill(name) {
  const { header, row } = charts[name].table;
  byId(`${name}-table`).querySelector('div').replaceChildren(page.table(header, rows[name].map(row), byId(`${name}-title`).textContent));
}

function facts() {
  const n = total(answers([])), perWorker = answers(['worker']), perLabel = answers(['label']), seconds = answers(['seconds']);
  const [some, most] = [total(sum(votes, [])), total(sum(shared, []))];
  const number = (list, counts) => list.reduce((all, one, i) => all + (counts[i] > 0 ? one.others || 1 : 0), 0);
  const median = medianBin(seconds.slice(0, data.seconds.length)), done = total(completed());
  const few = (list, counts) => (list.some((one, i) => one.others && counts[i] > 0) && active() ? 'up to ' : '');
  const shown = {
    Answers: page.number(n),
    Workers: few(workers, perWorker) + page.number(number(workers, perWorker)),
    Labels: few(labels, perLabel) + page.number(number(labels, perLabel)),
    'Data rows completed': active() ? page.number(done) : `${page.number(total(answers(['done']).slice(1)))} of ${page.number(data.goal)}`,
    'Median time': median === null ? '–' : secondsName(median),
    Agreement: some >= FEW ? percent(most / some) : '–',
  };
  byId('facts').replaceChildren(...Object.entries(shown).map(([what, value]) => page.element('div', {}, page.element('dt', {}, what), page.element('dd', {}, value))));
  const chosen = [filter.worker === null ? '' : workers[filter.worker].name, filter.label === null ? '' : labels[filter.label].name].filter(Boolean);
  byId('status').textContent = `${plural(n, 'answer')}${chosen.length ? `, ${chosen.join(', ')}` : ''}, ${plural(number(workers, perWorker), 'worker')}`;
}

// Sets filters, from a click or from the controls, and shows everything anew; the latest call wins.
let latest = Promise.resolve();
function choose(change) {
  Object.assign(filter, change);
  byId('worker').value = filter.worker ?? '';
  byId('label').value = filter.label ?? '';
  byId('from').value = filter.from === null ? '' : slots[filter.from];
  byId('to').value = filter.to === null ? '' : slots[filter.to];
  for (const key of Object.keys(filter)) byId(key).classList.toggle('set', filter[key] !== null);
  facts();
  latest = latest.then(() => Promise.all(Object.keys(charts).map(show)));
  return latest;
}

// The slot in which a time of the controls falls.
function slotOf(text) {
  if (text === '') return null;
  const after = slots.findIndex((slot) => slot > text);
  return after < 0 ? slots.length - 1 : Math.max(0, after - 1);
}

function controls() {
  workers.forEach((one, i) => byId('worker').append(page.element('option', { value: i }, `${one.name} (${page.number(one.answers)})`)));
  labels.forEach((one, i) => byId('label').append(page.element('option', { value: i }, `${one.name} (${page.number(one.answers)})`)));
  for (const key of ['worker', 'label']) {
    byId(key).addEventListener('change', (event) => choose({ [key]: event.target.value === '' ? null : Number(event.target.value) }));
  }
  for (const key of ['from', 'to']) byId(key).addEventListener('change', (event) => choose({ [key]: slotOf(event.target.value) }));
  byId('filters').addEventListener('reset', (event) => {
    event.preventDefault();
    choose({ worker: null, label: null, from: null, to: null });
  });
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  for (const name of Object.keys(charts)) byId(`${name}-table`).addEventListener('toggle', () => byId(`${name}-table`).open && fill(name));
}

async function start() {
  await Promise.all(Object.keys(charts).map(draw));
  await choose({});
  document.documentElement.dataset.ready = 'yes';
}

controls();
const started = start();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => started.then(start));
window.dashboard = { started, choose, filter, rows, latest: () => latest };
