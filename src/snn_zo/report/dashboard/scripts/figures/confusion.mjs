// the confusion matrix of one variant

import { axis, layoutOf } from "../style.mjs";
import { number, plain } from "../text.mjs";

/** @import { Figure, View } from "../types.d.ts" */

const SCALE = [[0, "#f7f7f4"], [0.5, "#6fa8d3"], [1, "#08306b"]];
const SCALE_ON_DARK = [[0, "#1f2326"], [0.5, "#2f6690"], [1, "#bfe1ff"]];
const FONT = 11; // px, of the numbers in cells
const LARGEST_SIDE = 470; // px
const ON_PAPER = 300; // px
const DIGIT = 6.4; // px, the width of a digit
const MOST_NAMED = 200; // classes whose names are said when a cell is pointed at
const LONGEST_CLASS = 14; // characters of a class at an axis
const TICK = 13; // px from one tick to the next, at least

/**
 * Recordings by true and predicted class, mean over the runs.
 * @param {import("../payload.d.ts").Confusion} matrix
 */
export function meanMatrix({ classes: { length: classes }, runs, index, count }) {
  const mean = Array.from({ length: classes }, () => /** @type {number[]} */ (Array(classes).fill(0)));
  index.forEach((cell, i) => {
    mean[Math.floor(cell / classes)][cell % classes] = count[i] / runs;
  });
  return mean;
}

/** With one decimal, as cells have room for. @param {number} value */
const oneDecimal = (value) => value ? String(Number(value.toFixed(1))) : "";

/** @param {View} view @returns {Figure | null} */
export function confusionFigure(view) {
  const variant = view.report.variants[view.chosen.confusion];
  if (!variant?.confusion || variant.data !== view.chosen.data) return null;
  const { classes } = variant.confusion;
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
  const margin = { l: 58, r: view.narrow ? 16 : 92, t: 34, b: 48 };
  const side = Math.min(view.width - margin.l - margin.r, view.chosen.paper ? ON_PAPER : LARGEST_SIDE);
  const cell = side / classes.length;
  const texts = mean.map((row) => row.map(oneDecimal));
  const longest = Math.max(...texts.flatMap((row) => row.map(({ length }) => length)));
  const hasRoom = cell >= Math.max(FONT + 3, DIGIT * longest + 2);
  const about = classes.length > MOST_NAMED
    ? undefined
    : mean.map((row, i) =>
      row.map((value, j) => plain(`${classes[i]} as ${classes[j]}: ${number(value)} recordings`, 160))
    );
  const heat = {
    type: "heatmap",
    z: share,
    text: texts,
    ...(hasRoom ? { texttemplate: "%{text}", textfont: { size: FONT } } : {}),
    customdata: about,
    zmin: 0,
    zmax: 1,
    colorscale: view.dark ? SCALE_ON_DARK : SCALE,
    colorbar: view.narrow ? undefined : colorbar,
    showscale: !view.narrow,
    xgap: 1,
    ygap: 1,
    hovertemplate: `${about ? "%{customdata}" : "class %{y} as %{x}: %{text} recordings"}, %{z:.3~p}<extra></extra>`,
  };
  const step = Math.ceil(TICK / cell);
  const at = classes.map((_, i) => i).filter((i) => i % step === 0);
  const ticks = {
    showgrid: false,
    ticks: "",
    showline: false,
    constrain: "domain",
    tickvals: at,
    ticktext: at.map((i) => plain(classes[i], LONGEST_CLASS)),
  };
  const layout = layoutOf(view, {
    title: { text: plain(variant.label), font: { size: 12 }, x: 0.5 },
    margin,
    xaxis: axis(view, "predicted class", ticks),
    yaxis: axis(view, "true class", { ...ticks, autorange: "reversed", scaleanchor: "x" }),
  });
  return { data: [heat], layout: { ...layout, height: side + margin.t + margin.b } };
}
