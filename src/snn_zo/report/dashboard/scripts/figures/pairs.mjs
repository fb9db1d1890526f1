// differences of the variants to one of them

import { difference, hint, isShare } from "../score.mjs";
import { axis, labelWidth, layoutOf, styleOf } from "../style.mjs";
import { number, plain, wrapped } from "../text.mjs";

/** @import { Figure, View } from "../types.d.ts" */

/**
 * A variant, how much its score is above the reference's, with an interval, how often it is better, and of how many.
 * @typedef {{
 *   other: number,
 *   mean: number,
 *   low: number | null,
 *   high: number | null,
 *   wins: number,
 *   n: number,
 * }} Difference
 */

const negative = (/** @type {number | null} */ value) => (value === null ? null : -value);

/** The shown variants against the reference, the best first. @param {View} view @returns {Difference[]} */
export function differences({ report, chosen: { reference }, shown, dataset }) {
  const found = report.pairs.flatMap(({ a, b, difference: [mean, low, high], wins, ties, n }) => {
    const flip = a === reference;
    const other = flip ? b : a;
    if ((!flip && b !== reference) || !shown.includes(other) || mean === null) return [];
    if (!flip) return [{ other, mean, low, high, wins, n }];
    return [{ other, mean: -mean, low: negative(high), high: negative(low), wins: n - wins - ties, n }];
  });
  const sign = dataset?.headline.direction === "min" ? -1 : 1;
  return found.sort((a, b) => sign * (b.mean - a.mean));
}

/** @param {View} view @returns {Figure | null} */
export function pairsFigure(view) {
  const rows = differences(view);
  if (!rows.length) return null;
  const { headline } = view.dataset;
  const size = isShare(headline) ? 100 : 1; // differences of shares are in points
  const at = rows.map((_, i) => i);
  const spread = (/** @type {Difference} */ { mean }, /** @type {number | null} */ end) =>
    end === null ? 0 : size * Math.abs(end - mean);
  const bare = (/** @type {number | null} */ value) => number(size * (value ?? 0));
  const told = rows.map(({ mean, low, high }) =>
    plain(difference(headline, mean)) + (low === null ? "" : ` (${bare(low)} to ${bare(high)})`)
  );
  const styles = rows.map(({ other }) => styleOf(view, other));
  const trace = {
    x: rows.map(({ mean }) => size * mean),
    y: at,
    mode: "markers",
    marker: { color: styles.map(({ color }) => color), symbol: styles.map(({ symbol }) => symbol), size: 10 },
    error_x: {
      type: "data",
      symmetric: false,
      array: rows.map((row) => spread(row, row.high)),
      arrayminus: rows.map((row) => spread(row, row.low)),
      color: view.colour("soft"),
      thickness: 1.4,
      width: 5,
    },
    text: told,
    hovertemplate: "%{text}<extra></extra>",
  };
  const beside = { xref: "paper", x: 1.01, xanchor: "left", showarrow: false };
  const seeds = rows.map(({ wins, n }, i) => ({ ...beside, y: i, align: "left", text: `${wins} of ${n}` }));
  const head = { ...beside, yref: "paper", y: 1, yanchor: "bottom", text: "better on" };
  const ink = view.colour("ink");
  const zero = { type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: ink, width: 1 } };
  const yaxis = axis(view, "", {
    tickvals: at,
    ticktext: rows.map(({ other }) => wrapped(view.report.variants[other].label, labelWidth(view))),
    range: [rows.length - 0.4, -0.6],
    showgrid: false,
  });
  const unit = !isShare(headline) && headline.unit ? `, ${plain(headline.unit)},` : "";
  const quantity = `${isShare(headline) ? "points of " : ""}${plain(headline.title)}${unit} above`;
  const reference = plain(view.report.variants[view.chosen.reference].label);
  const xaxis = axis(view, `${quantity}${view.narrow ? "<br>" : " "}${reference}${hint(headline)}`);
  const layout = layoutOf(view, {
    height: 130 + (view.narrow ? 42 : 32) * rows.length,
    margin: { l: 58, r: 92, t: 30, b: 48 },
    xaxis,
    yaxis,
    shapes: [zero],
    annotations: [...seeds, head],
  });
  return { data: [trace], layout };
}
