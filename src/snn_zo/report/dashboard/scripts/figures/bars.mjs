// energy and time of the variants, in stacked bars

import { axis, JOULES, labelWidth, layoutOf, LEGEND_ABOVE, legendHeight } from "../style.mjs";
import { wrapped } from "../text.mjs";

/** @import { Figure, Layout, View } from "../types.d.ts" */

/**
 * A label, and its parts; null where nothing was measured.
 * @typedef {[string, Record<string, number | null | undefined> | null]} Bar
 */

const PHASES = {
  forward: "#77AADD",
  grad_input: "#EE8866",
  grad_weight: "#EEDD88",
  neuron: "#44BB99",
  optimizer: "#FFAABB",
  memory: "#BBBBBB",
};
const TIMES = { forward: "#77AADD", backward: "#EE8866", rest: "#BBBBBB" };

/**
 * Stacked horizontal bars.
 * @param {View} view
 * @param {Bar[]} bars
 * @param {Record<string, string>} colours by the names of the parts
 * @param {string} title
 * @param {Layout} format of the axis
 * @returns {Figure | null}
 */
function barsFigure(view, bars, colours, title, format) {
  const kept = bars.flatMap(([label, parts]) => (parts ? [{ label, parts }] : []));
  if (!kept.length) return null;
  const at = kept.map((_, i) => i);
  const data = Object.entries(colours).flatMap(([part, color]) => {
    const x = kept.map(({ parts }) => parts[part] ?? null);
    if (x.every((value) => value === null)) return [];
    const name = part.replace("_", " ");
    return [
      {
        type: "bar",
        orientation: "h",
        x,
        y: at,
        name,
        marker: { color, line: { color: view.colour("paper"), width: 0.5 } },
        hovertemplate: `${name}: %{x:.3~s}${format.ticksuffix ?? "s"}<extra></extra>`,
      },
    ];
  });
  const yaxis = axis(view, "", {
    tickvals: at,
    ticktext: kept.map(({ label }) => wrapped(label, labelWidth(view))),
    autorange: "reversed",
    ...(view.chosen.paper && view.narrow ? { tickfont: { size: 9 } } : {}),
    showgrid: false,
  });
  const xaxis = axis(view, title, { ...format, rangemode: "tozero", nticks: view.narrow ? 4 : 6 });
  const margin = { l: 58, r: 16, t: legendHeight(view, data.length), b: 48 };
  const height = margin.t + margin.b + 40 + barHeight(view) * kept.length;
  const more = { barmode: "stack", bargap: 0.35, height, margin, xaxis, yaxis, showlegend: true, legend: LEGEND_ABOVE };
  return { data, layout: layoutOf(view, more) };
}

/** Room for a bar and for a label beside it that may have two lines, in px. @param {View} view */
function barHeight({ narrow, chosen: { paper } }) {
  if (paper) return narrow ? 38 : 28;
  return narrow ? 42 : 34;
}

/** Modelled energy by phase. @param {View} view @param {boolean} withMemory */
export function energyFigure(view, withMemory) {
  const names = Object.keys(PHASES).filter((name) => withMemory || name !== "memory");
  const parts = (/** @type {Record<string, number>} */ energy) =>
    Object.fromEntries(names.map((name) => [name, energy[name]]));
  const variants = view.shown.map((index) => view.report.variants[index]);
  /** @type {Bar[]} */
  const bars = variants.map(({ label, energy }) => [label, energy && parts(energy.modelled)]);
  const dense = variants.find(({ energy }) => energy?.dense)?.energy?.dense;
  if (dense && withMemory) bars.push(["dense products", parts(dense)]);
  return barsFigure(view, bars, PHASES, "modelled energy", JOULES);
}

/** Time of an epoch; in one piece where forward and backward were not timed. @param {View} view */
export function timesFigure(view) {
  /** @type {Bar[]} */
  const bars = view.shown.map((index) => {
    const { label, times: { forward, backward, epoch } } = view.report.variants[index];
    if (epoch === null) return [label, null];
    const known = (forward ?? 0) + (backward ?? 0);
    return [label, { forward, backward, rest: Math.max(0, epoch - known) }];
  });
  const split = bars.some(([, parts]) => parts && parts.forward !== null);
  const figure = barsFigure(view, bars, TIMES, "time of an epoch, s", {});
  if (figure && !split) figure.layout.showlegend = false;
  return figure;
}
