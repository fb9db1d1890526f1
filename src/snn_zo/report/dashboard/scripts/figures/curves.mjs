// learning curves, and the activity of each hidden layer

import { hint, isHeadline, metricTitle, scoreAxis } from "../score.mjs";
import { alpha, axis, layoutOf, logAxis, PERCENT, rangeOf, styleOf } from "../style.mjs";
import { plain } from "../text.mjs";

/** @import { Figure, Layout, Trace, View } from "../types.d.ts" */

const FEW = 6; // epochs that each have a tick
/** @type {Record<string, string>} */
const ACTIVITY = { active: "active fraction", spike_rate: "spike rate" };
/** @type {Record<string, string>} */
const X_TITLE = { epoch: "epoch", joules: "modelled energy so far, J", seconds: "training time so far, s" };

/**
 * A mean with its band.
 * @param {View} view
 * @param {number} index of the variant
 * @param {string} name of the quantity
 * @param {string} x what it is drawn against
 * @param {Layout} axes the subplot
 * @returns {Trace[]}
 */
function curve(view, index, name, x, axes = {}) {
  const { label, curves } = view.report.variants[index];
  const values = curves.y[name];
  const at = curves.x[x];
  if (!values || !at) return [];
  const { color, dash } = styleOf(view, index);
  const [mean, low, high] = values;
  /** @type {Trace[]} */
  const traces = [];
  if (low) {
    const edge = { x: at, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, ...axes };
    traces.push({ ...edge, y: low }, { ...edge, y: high, fill: "tonexty", fillcolor: alpha(color, 0.16) });
  }
  traces.push({
    x: at,
    y: mean,
    mode: at.length > 1 ? "lines" : "markers",
    line: { color, dash, width: 1.8 },
    marker: { color },
    hovertemplate: `${plain(label)}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>`,
    name: plain(label),
    showlegend: (axes.xaxis ?? "x") === "x", // once for all subplots
    ...axes,
  });
  return traces;
}

/** Whole numbers, which count from 1. @param {View} view @param {Trace[]} traces */
function epochAxis(view, traces) {
  const last = Math.max(...traces.flatMap((trace) => trace.x));
  return axis(view, X_TITLE.epoch, { range: rangeOf([1, last], { least: 1 }), ...(last <= FEW ? { dtick: 1 } : {}) });
}

/** Quantities that any of these variants has a curve of. @param {View["report"]} report @param {number[]} variants */
export const quantities = (report, variants) => [
  ...new Set(variants.flatMap((index) => Object.keys(report.variants[index].curves.y))),
];

/** @param {View} view @returns {Figure | null} */
export function curvesFigure(view) {
  const { metric, x } = view.chosen;
  const data = view.shown.flatMap((index) => curve(view, index, metric, x));
  if (!data.length) return null;
  const { headline } = view.dataset;
  const judged = isHeadline(headline, metric);
  const title = plain(metricTitle(headline, metric)) + (judged ? hint(headline) : "");
  const xaxis = x === "epoch" ? epochAxis(view, data) : axis(view, X_TITLE[x], { rangemode: "tozero" });
  const values = data.flatMap((trace) => trace.y);
  const yaxis = axis(view, title, judged ? scoreAxis(headline, values) : { range: rangeOf(values) });
  return { data, layout: layoutOf(view, { height: 400, xaxis, yaxis }) };
}

/** @param {View} view @returns {Figure | null} */
export function layersFigure(view) {
  const { report, chosen, shown } = view;
  const suffix = `/${chosen.activity}`;
  const names = quantities(report, shown).filter((name) => name.startsWith("sparsity/") && name.endsWith(suffix));
  const values = shown
    .flatMap((index) => names.flatMap((name) => report.variants[index].curves.y[name]?.[0] ?? []))
    .filter((value) => value !== null && value > 0);
  const columns = Math.min(names.length, view.narrow ? 1 : 3);
  const rows = Math.ceil(names.length / columns);
  const grid = { rows, columns, pattern: "independent", xgap: 0.06, ygap: 0.24 };
  const margin = { l: 62, r: 12, t: 28, b: 46 };
  const layout = layoutOf(view, { grid, height: 70 + 290 * rows, margin, annotations: [] });
  /** @type {Trace[]} */
  const data = [];
  names.forEach((name, i) => {
    const place = i ? i + 1 : "";
    for (const index of shown) {
      data.push(...curve(view, index, name, "epoch", { xaxis: `x${place}`, yaxis: `y${place}` }));
    }
    const first = i % columns === 0;
    const title = first ? ACTIVITY[chosen.activity] : "";
    layout[`xaxis${place}`] = epochAxis(view, data);
    layout[`yaxis${place}`] = {
      ...logAxis(view, title, PERCENT, /** @type {number[]} */ (values)),
      matches: i ? "y" : undefined,
      showticklabels: first,
    };
    layout.annotations.push({
      xref: `x${place} domain`,
      yref: `y${place} domain`,
      x: 0,
      y: 1.02,
      xanchor: "left",
      yanchor: "bottom",
      text: plain(name.slice("sparsity/".length, -suffix.length)),
      showarrow: false,
    });
  });
  return data.length ? { data, layout } : null;
}
