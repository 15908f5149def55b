// What every page has: its data, elements made of text, and charts where Vega is there.
const page = (() => {
  'use strict';
  const data = JSON.parse(document.getElementById('page-data').textContent);

  // An element; children are text or nodes, never HTML.
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, '');
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // A table as annokit.page.table makes it: columns of numbers to the right, null is an empty cell.
  function table(header, rows, caption) {
    const numeric = header.map((_, i) => rows.length > 0 && rows.every((row) => row[i] === null || typeof row[i] === 'number'));
    const kind = (i) => ({ class: numeric[i] ? 'number' : null });
    const show = (value) => (typeof value === 'number' ? number(value) : value === null ? '' : String(value));
    return element('table', {},
      element('caption', {}, caption),
      element('thead', {}, element('tr', {}, ...header.map((name, i) => element('th', { scope: 'col', ...kind(i) }, name)))),
      element('tbody', {}, ...rows.map((row) =>
        element('tr', {}, ...row.map((value, i) => element('td', kind(i), show(value)))))));
  }

  function number(value) {
    return value.toLocaleString('en', Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 });
  }

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // How charts look: the page's own colours, so they follow light and dark.
  function theme() {
    const [ink, soft, line, mark] = ['ink', 'soft', 'line', 'mark'].map(color);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: null, font, view: { stroke: null }, mark: { color: mark }, rule: { color: mark },
      axis: { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line,
        labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 180 },
      legend: { labelColor: soft, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal' },
      text: { color: ink }, title: { color: ink }, range: { heatmap: [color('card'), mark] },
    };
  }

  const tooltip = element('div', { id: 'page-tooltip', hidden: true });
  function showTooltip(_handler, event, _item, value) {
    const empty = value === null || value === undefined || value === '';
    tooltip.hidden = empty;
    if (empty) return;
    tooltip.textContent = typeof value === 'object'
      ? Object.entries(value).map(([key, one]) => `${key}: ${one}`).join('\n') : String(value);
    const { clientX: x, clientY: y } = event;
    const box = tooltip.getBoundingClientRect();
    tooltip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - box.width - 8))}px`;
    tooltip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18}px`;
  }

  // Draws a Vega-Lite spec in `place` (a node) and gives the Vega view. Specs are the page maker's own; data
  // goes in as values. Expressions are interpreted, since the page's policy forbids eval.
  async function chart(place, spec) {
    document.body.append(tooltip);
    const full = { $schema: 'https://vega.github.io/schema/vega-lite/v6.json', ...spec };
    const logger = vega.logger(vega.Warn);
    logger.warn = (...words) => {  // a chart as wide as its place and as high as its bars is what is wanted
      if (!String(words).startsWith('Dropping "fit-')) console.warn(...words);
      return logger;
    };
    const compiled = vegaLite.compile(full, { config: theme(), logger }).spec;
    const runtime = vega.parse(compiled, undefined, { ast: true });
    const view = new vega.View(runtime, {
      expr: vega.expressionInterpreter, renderer: 'svg', container: place, hover: true, tooltip: showTooltip,
      loader: { load: () => Promise.reject(new Error('a page loads nothing')), sanitize: () => Promise.reject(new Error('a page loads nothing')) },
    });
    return view.runAsync();
  }

  return { data, element, table, number, color, theme, chart };
})();
