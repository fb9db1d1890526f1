// the confusion matrix of one variant

import { axis, layoutOf, PAPER_WIDTH } from "../style.mjs";
import { plain } from "../text.mjs";

/** @import { Figure, View } from "../types.d.ts" */

const SCALE = [[0, "#f7f7f4"], [0.5, "#6fa8d3"], [1, "#08306b"]];
const SCALE_ON_DARK = [[0, "#1f2326"], [0.5, "#2f6690"], [1, "#bfe1ff"]];
const FEW = 20; // classes whose cells have room for a number

/**
 * Recordings by true and predicted class, mean over the runs.
 * @param {import("../payload.d.ts").Confusion} matrix
 */
export function meanMatrix({ classes, runs, index, count }) {
  const mean = Array.from({ length: classes }, () => /** @type {number[]} */ (Array(classes).fill(0)));
  index.forEach((cell, i) => {
    mean[Math.floor(cell / classes)][cell % classes] = count[i] / runs;
  });
  return mean;
}

/** @param {View} view @returns {Figure | null} */
export function confusionFigure(view) {
  const variant = view.report.variants[view.chosen.confusion];
  if (!variant?.confusion || variant.data !== view.chosen.data) return null;
  const few = variant.confusion.classes <= FEW;
  const mean = meanMatrix(variant.confusion);
  const share = mean.map((row) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((value) => (total ? value / total : 0));
  });
  const colorbar = {
    title: { text: "share of the class", side: "right" },
    tickformat: "~p",
    thickness: 12,
    outlinewidth: 0,
  };
  const heat = {
    type: "heatmap",
    z: share,
    text: mean.map((row) => row.map((value) => (value ? String(Number(value.toPrecision(3))) : ""))),
    zmin: 0,
    zmax: 1,
    colorscale: view.dark ? SCALE_ON_DARK : SCALE,
    colorbar: view.narrow ? undefined : colorbar,
    showscale: !view.narrow,
    xgap: 1,
    ygap: 1,
    ...(few ? { texttemplate: "%{text}" } : {}),
    hovertemplate: "class %{y} as %{x}: %{text} recordings, %{z:.3~p}<extra></extra>",
  };
  const ticks = { showgrid: false, ticks: "", showline: false, constrain: "domain", ...(few ? { dtick: 1 } : {}) };
  const size = Math.min(view.chosen.paper ? PAPER_WIDTH : view.width, 620);
  const layout = layoutOf(view, {
    title: { text: plain(variant.label), font: { size: 12 }, x: 0.5 },
    margin: { l: 58, r: 16, t: 34, b: 48 },
    height: Math.max(320, 0.9 * size),
    xaxis: axis(view, "predicted class", ticks),
    yaxis: axis(view, "true class", { ...ticks, autorange: "reversed", scaleanchor: "x" }),
  });
  return { data: [heat], layout };
}
