// the score against what it costs, with the pareto fronts

import { hint, scoreAxis, scored } from "../score.mjs";
import { axis, JOULES, layoutOf, logAxis, PERCENT, styleOf } from "../style.mjs";
import { joules, percent, plain } from "../text.mjs";

/** @import { Figure, Trace, View } from "../types.d.ts" */
/** @typedef {import("../payload.d.ts").Run} Run */

const COSTS = {
  active: { title: "active fraction of the backward pass", format: PERCENT, shown: percent },
  joules: { title: "modelled energy of the training", format: JOULES, shown: joules },
};

/** @typedef {keyof typeof COSTS} Quantity */

/** The Pareto fronts, each from its cheapest to its best variant. @param {View} view @param {Quantity} quantity */
function frontTraces(view, quantity) {
  const line = { color: view.colour("soft"), dash: "dot", width: 1.5, shape: "hv" };
  return view.dataset.fronts[quantity].map((front) => {
    const points = front.flatMap((index) => {
      const { score, [quantity]: cost } = view.report.variants[index];
      return score && cost?.[0] ? [{ cost: cost[0], score: score[0] }] : [];
    });
    return {
      x: points.map(({ cost }) => cost),
      y: points.map(({ score }) => score),
      mode: "lines",
      line,
      hoverinfo: "skip",
      showlegend: false,
    };
  });
}

/** One small point for each run. @param {View} view @param {Quantity} quantity @param {number} index */
function runsTrace(view, quantity, index) {
  const { headline } = view.dataset;
  const runs = view.report.runs.filter((run) =>
    run.variant === index && run.score !== null && (run[quantity] ?? 0) > 0
  );
  const about = (/** @type {Run} */ run) =>
    `${plain(scored(headline, run.score))} at ${COSTS[quantity].shown(run[quantity])}`;
  return {
    x: runs.map((run) => run[quantity]),
    y: runs.map((run) => run.score),
    text: runs.map((run) => `${plain(run.name)}<br>${about(run)}${run.dead ? "<br>dead" : ""}`),
    mode: "markers",
    hovertemplate: "%{text}<extra></extra>",
    showlegend: false,
    marker: {
      color: styleOf(view, index).color,
      size: 6,
      opacity: 0.5,
      symbol: runs.map((run) => (run.dead ? "x" : "circle")),
    },
  };
}

/** A larger point for the mean. @param {View} view @param {Quantity} quantity @param {number} index @returns {Trace[]} */
function meanTrace(view, quantity, index) {
  const { label, score, [quantity]: cost } = view.report.variants[index];
  if (!score || !cost?.[0]) return [];
  const { color, symbol } = styleOf(view, index);
  const about = `mean of ${score[3]}: ${plain(scored(view.dataset.headline, score[0]))}`;
  return [
    {
      x: [cost[0]],
      y: [score[0]],
      text: [`${plain(label)}<br>${about} at ${COSTS[quantity].shown(cost[0])}`],
      mode: "markers",
      hovertemplate: "%{text}<extra></extra>",
      name: plain(label),
      showlegend: true,
      marker: { color, symbol, size: 12, line: { color: view.colour("paper"), width: 1.5 } },
    },
  ];
}

/** @param {View} view @param {Quantity} quantity @returns {Figure | null} */
export function costFigure(view, quantity) {
  if (!view.shown.length) return null;
  /** @type {Trace[]} */
  const data = frontTraces(view, quantity);
  for (const index of view.shown) data.push(runsTrace(view, quantity, index), ...meanTrace(view, quantity, index));
  if (!data.some((trace) => trace.text?.length)) return null;
  const { title, format } = COSTS[quantity];
  const { headline } = view.dataset;
  const xaxis = logAxis(view, title, format, data.flatMap((trace) => trace.x));
  const yaxis = axis(
    view,
    `test ${plain(headline.title)}${hint(headline)}`,
    scoreAxis(headline, data.flatMap((trace) => trace.y)),
  );
  return { data, layout: layoutOf(view, { xaxis, yaxis }) };
}
