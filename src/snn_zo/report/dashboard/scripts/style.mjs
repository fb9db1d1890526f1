// colours, axes and layouts that all figures share

/** @import { Figure, Layout, View } from "./types.d.ts" */

const COLOURS = 7; // of the style sheet, c0 to c6
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon"];

export const PAPER = { width: 690, half: 335, height: 0.68 }; // px of A4 between its margins; of the height on a screen
const MARGIN = 0.06; // of an axis, at either end
export const PERCENT = { tickformat: "~p" };
export const JOULES = { tickformat: "~s", ticksuffix: "J" };

/**
 * Colour, dash and marker of a variant: the same in every figure.
 * @param {Pick<View, "report" | "colour">} view
 * @param {number} index
 */
export function styleOf({ report, colour }, index) {
  const { style } = report.variants[index];
  return {
    color: colour(`c${style % COLOURS}`),
    dash: DASHES[Math.floor(style / COLOURS) % DASHES.length],
    symbol: SYMBOLS[style % SYMBOLS.length],
  };
}

/** A colour, as `rgb(r, g, b)`, with a share of its opacity. @param {string} colour @param {number} share */
export const alpha = (colour, share) => colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

/**
 * The range of an axis that suits values, though they be equal; plotly's own is then 2 long.
 * @param {(number | null)[]} values
 * @param {{ least?: number, within?: [number, number] }} limits the least length, and the ends that are not passed
 * @returns {[number, number] | undefined}
 */
export function rangeOf(values, { least = 0, within = [-Infinity, Infinity] } = {}) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return undefined;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const length = Math.max(high - low, least, high > low ? 0 : 0.2 * Math.abs(high) || 1);
  const reach = (0.5 + MARGIN) * length;
  const middle = (low + high) / 2;
  return [Math.max(middle - reach, within[0]), Math.min(middle + reach, within[1])];
}

/** @param {View} view @param {string} title @param {Layout} more @returns {Layout} */
export function axis(view, title, more = {}) {
  return {
    title: { text: title, standoff: 8 },
    automargin: true,
    tickcolor: view.colour("soft"),
    gridcolor: view.colour("rule"),
    linecolor: view.colour("soft"),
    zeroline: false,
    showline: true,
    ticks: "outside",
    ticklen: 4,
    ...more,
  };
}

/**
 * A logarithmic axis with ticks at 1, 2 and 5 where there is a decade or more; plotly's own crowd or vanish.
 * @param {View} view
 * @param {string} title
 * @param {Layout} format
 * @param {number[]} values that are drawn, all above 0
 */
export function logAxis(view, title, format, values) {
  if (!values.length) return axis(view, title, { type: "log", ...format });
  const low = Math.log10(Math.min(...values));
  const high = Math.log10(Math.max(...values));
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => 10 ** (Math.floor(low) + i));
  const steps = high - low > (view.narrow ? 1.5 : 4) ? [1] : [1, 2, 5];
  const ticks = high > low && high - low < 0.7
    ? { nticks: 6 }
    : { tickvals: decades.flatMap((decade) => steps.map((step) => step * decade)) };
  const range = rangeOf([low, high], { least: 0.3 });
  return axis(view, title, { type: "log", range, ...ticks, ...format });
}

/** @param {View} view @param {Layout} more @returns {Layout} */
export function layoutOf(view, more) {
  const { height = 380 } = more;
  const ink = view.colour("ink");
  const paper = view.colour("paper");
  return {
    font: { family: "system-ui, -apple-system, Segoe UI, Liberation Sans, sans-serif", size: 12, color: ink },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    hoverlabel: {
      align: "left",
      bgcolor: view.colour("shade"),
      bordercolor: view.colour("soft"),
      font: { color: ink },
    },
    margin: { l: 58, r: 16, t: 12, b: 48 },
    showlegend: false,
    hovermode: "closest",
    ...more,
    height: view.chosen.paper ? Math.round(PAPER.height * height) : height,
  };
}

/** Characters of a label in one line beside an axis. @param {View} view */
export const labelWidth = (view) => (view.narrow ? 16 : 32);

const LEGEND = { orientation: "h", x: 0, xanchor: "left", yanchor: "bottom", traceorder: "normal" };
export const LEGEND_ABOVE = { ...LEGEND, y: 1.02 };

/** Room for a legend above a figure, in px. @param {View} view @param {number} names */
export const legendHeight = (view, names) => 16 + 19 * Math.ceil(names / (view.narrow ? 1 : 4));
const LEGEND_BELOW = { ...LEGEND, y: 0, yref: "container" };

/** The layout of a figure that leaves the page, where it has to name its variants itself. @param {Figure} figure */
export function withLegend({ data, layout }) {
  const names = data.filter((trace) => trace.showlegend);
  const room = 22 * Math.ceil(names.length / 3);
  return names.length ? { ...layout, showlegend: true, legend: LEGEND_BELOW, height: layout.height + room } : layout;
}
