// the score and the active fraction against each setting that was swept

import { hint, scoreAxis, scored } from "../score.mjs";
import { axis, layoutOf, LEGEND_ABOVE, legendHeight, logAxis, PERCENT, rangeOf, styleOf } from "../style.mjs";
import { number, percent, plain } from "../text.mjs";

/** @import { Figure, Layout, Trace, View } from "../types.d.ts" */
/** @typedef {import("../payload.d.ts").Line} Line */
/** @typedef {import("../payload.d.ts").Sweep} Sweep */
/** @typedef {{ xaxis: string, yaxis: string }} Panel */

const PANEL = 175; // px, the height of a panel
const BESIDE = 0.05; // of the width, between columns
const BETWEEN = 16; // px, between the panels of a setting
const BELOW = 58; // px, for the title of the axis that they share
const COLUMNS = 3;
const ON_PAGE = 0.75; // of the height, on paper

/** Lines of which a variant is shown. @param {View} view @param {Sweep} sweep */
const linesShown = (view, sweep) => sweep.lines.filter(({ variants }) => variants.some((i) => view.shown.includes(i)));

/**
 * A line with a marker for each variant, and its intervals if there are any.
 * @param {View} view
 * @param {Sweep} sweep
 * @param {Line} line
 * @param {"score" | "active"} quantity
 * @param {Panel} panel
 * @returns {Trace}
 */
function lineTrace(view, sweep, line, quantity, panel) {
  const { color, dash, symbol } = styleOf(view, Math.min(...line.variants)); // that of the best
  const points = line.variants.flatMap((index, i) => {
    const [mean, low, high] = view.report.variants[index][quantity] ?? [null, null, null];
    return mean === null || (quantity === "active" && mean <= 0) ? [] : [{ x: line.values[i], mean, low, high }];
  });
  const told = (/** @type {number} */ mean) =>
    quantity === "score" ? plain(scored(view.dataset.headline, mean)) : `${percent(mean)} active`;
  const ends = (/** @type {"low" | "high"} */ end) =>
    points.map((point) => Math.abs((point[end] ?? point.mean) - point.mean));
  return {
    x: points.map(({ x }) => x),
    y: points.map(({ mean }) => mean),
    mode: "lines+markers",
    line: { color, dash, width: 1.8 },
    marker: { color, symbol, size: 8 },
    error_y: { type: "data", symmetric: false, array: ends("high"), arrayminus: ends("low"), thickness: 1.2, width: 4 },
    text: points.map(({ x, mean }) => `${plain(line.label)}<br>${plain(sweep.name)} = ${number(x)}: ${told(mean)}`),
    hovertemplate: "%{text}<extra></extra>",
    name: plain(line.label),
    ...panel,
  };
}

/** The active fraction that is asked for. @param {View} view @param {Trace[]} traces @param {Panel} panel @returns {Trace} */
function targetTrace(view, traces, panel) {
  const x = traces.flatMap((trace) => trace.x);
  const { target } = view.dataset;
  return {
    x: [Math.min(...x), Math.max(...x)],
    y: [target, target],
    mode: "lines",
    line: { color: view.colour("ink"), dash: "dash", width: 1.2 },
    hovertemplate: `${percent(target)} active<extra></extra>`,
    showlegend: false,
    ...panel,
  };
}

/** @param {View} view @returns {Figure | null} */
export function sweptFigure(view) {
  const sweeps = (view.dataset?.sweeps ?? []).filter((sweep) => linesShown(view, sweep).length);
  if (!sweeps.length) return null;
  const { headline } = view.dataset;
  const columns = view.narrow ? 1 : Math.min(sweeps.length, COLUMNS);
  /** @type {Set<string>} */
  const named = new Set();
  const panels = sweeps.map((sweep, i) => {
    const [above, below] = [2 * i + 1, 2 * i + 2].map(panelAt);
    const lines = linesShown(view, sweep);
    const scores = lines.map((line) => lineTrace(view, sweep, line, "score", above));
    for (const trace of scores) {
      trace.showlegend = !named.has(trace.name); // once for all settings
      named.add(trace.name);
    }
    const active = lines.map((line) => lineTrace(view, sweep, line, "active", below));
    for (const trace of active) trace.showlegend = false;
    return { sweep, above, below, scores, active, traces: [...scores, ...active, targetTrace(view, scores, below)] };
  });
  const fractions = panels.flatMap(({ active }) => active.flatMap(({ y }) => y));
  const scoreEnds = panels.flatMap(({ scores }) =>
    scores.flatMap(({ y, error_y: { array, arrayminus } }) =>
      y.flatMap((/** @type {number} */ mean, /** @type {number} */ i) => [mean - arrayminus[i], mean + array[i]])
    )
  );
  const rows = Math.ceil(sweeps.length / columns);
  const room = rows * (2 * PANEL + BETWEEN + BELOW) - BELOW;
  /** @type {Layout} */
  const axes = {};
  panels.forEach(({ sweep, above, below, scores }, i) => {
    const column = i % columns;
    const values = scores.flatMap(({ x }) => x);
    const width = (1 - BESIDE * (columns - 1)) / columns;
    const across = { domain: [column * (width + BESIDE), column * (width + BESIDE) + width] };
    const top = Math.floor(i / columns) * (2 * PANEL + BETWEEN + BELOW);
    const down = (/** @type {number} */ from) => ({ domain: [1 - (from + PANEL) / room, 1 - from / room] });
    const xaxis = (/** @type {string} */ title) =>
      sweep.log ? logAxis(view, title, {}, values) : axis(view, title, { range: rangeOf(values) });
    const shared = (/** @type {string} */ name) => ({ matches: i ? name : undefined, showticklabels: !column });
    const score = column ? "" : `test ${plain(headline.title)}${hint(headline)}`;
    const fraction = logAxis(view, column ? "" : "active fraction", PERCENT, [...fractions, view.dataset.target]);
    axes[key(above.xaxis)] = {
      ...xaxis(""),
      ...across,
      anchor: above.yaxis,
      matches: below.xaxis,
      showticklabels: false,
    };
    axes[key(below.xaxis)] = { ...xaxis(plain(sweep.name)), ...across, anchor: below.yaxis };
    axes[key(above.yaxis)] = {
      ...axis(view, score, scoreAxis(headline, scoreEnds)),
      ...shared(panels[0].above.yaxis),
      ...down(top),
      anchor: above.xaxis,
    };
    axes[key(below.yaxis)] = {
      ...fraction,
      ...shared(panels[0].below.yaxis),
      ...down(top + PANEL + BETWEEN),
      anchor: below.xaxis,
    };
  });
  const data = panels.flatMap(({ traces }) => traces);
  const legend = data.filter(({ showlegend }) => showlegend).length;
  const margin = { l: 58, r: 16, t: legendHeight(view, legend), b: 48 };
  const layout = layoutOf(view, { margin, showlegend: true, legend: LEGEND_ABOVE, ...axes });
  const height = (view.chosen.paper ? ON_PAGE : 1) * room + margin.t + margin.b;
  return { data, layout: { ...layout, height } };
}

/** @param {number} place from 1, row by row @returns {Panel} */
const panelAt = (place) => place === 1 ? { xaxis: "x", yaxis: "y" } : { xaxis: `x${place}`, yaxis: `y${place}` };

/** The name of an axis in a layout: `xaxis2` of `x2`. @param {string} name */
const key = (name) => `${name[0]}axis${name.slice(1)}`;
