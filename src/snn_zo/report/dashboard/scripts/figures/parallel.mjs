// drawn here, as plotly's parcoords needs WebGL, which remote desktops and paper lack, and eval, which the page forbids

import { scaleOf } from "../scale.mjs";
import { isShare, scored } from "../score.mjs";
import { styleOf } from "../style.mjs";
import { joules, number, percent } from "../text.mjs";
import { byId, element, svg } from "../elements.mjs";

/** @import { View } from "../types.d.ts" */
/** @typedef {import("../payload.d.ts").Run} Run */
/** @typedef {import("../scale.mjs").Tick} Tick */

/**
 * An axis: its name, the place of a run as a share of its height, and its ticks. A run without a value is at NONE.
 * @typedef {{ name: string, place: (run: Run) => number, ticks: Tick[] }} Axis
 */
/** @typedef {[Run, SVGElement]} Line */

const SIZE = { width: 1000, height: 360, top: 46, bottom: 306, side: 60 };
const NONE = { text: "none", share: -0.13 }; // below an axis, where runs go that have no value of it
const LONGEST = 18; // characters of a label
const SHORT = 12;
const CLICK = 0.01; // of an axis' height: less is no drag

/** Brushed intervals, as shares of an axis' height, by the axis' name. @type {Map<string, [number, number]>} */
const brushes = new Map();

/** No run is left out any more. */
export const clearBrushes = () => brushes.clear();

/** Settings that were swept and results, of which any run has a value. @param {View} view @param {Run[]} runs @returns {Axis[]} */
export function parallelAxes({ report, dataset: { swept, headline } }, runs) {
  const settings = Object.entries(swept).map(([setting, name]) => ({
    name,
    of: (/** @type {Run} */ run) => report.variants[run.variant].varied[setting],
    log: true,
    shown: number,
  }));
  const candidates = [
    { name: "method", of: (/** @type {Run} */ run) => report.variants[run.variant].method, shown: String },
    ...settings,
    { name: "spike rate", of: (/** @type {Run} */ run) => run.spike_rate, shown: percent },
    { name: "active", of: (/** @type {Run} */ run) => run.active, log: true, shown: percent },
    { name: "energy", of: (/** @type {Run} */ run) => run.joules, log: true, shown: joules },
    { name: "s / epoch", of: (/** @type {Run} */ run) => run.epoch_s, shown: number },
    {
      name: scoreName(headline),
      of: (/** @type {Run} */ run) => run.score,
      falling: headline.direction === "min",
      shown: isShare(headline) ? percent : number,
    },
  ];
  return candidates.flatMap(({ name, of, ...how }) => {
    const values = runs.map(of).filter((value) => value !== null && value !== undefined);
    if (!values.length) return [];
    const { share, ticks } = scaleOf(values, how);
    const none = /** @type {Tick} */ ([NONE.share, NONE.text]);
    const place = (/** @type {Run} */ run) => {
      const value = of(run);
      return value === null || value === undefined ? NONE.share : share(value);
    };
    return [{ name, place, ticks: values.length < runs.length ? [...ticks, none] : ticks }];
  });
}

/** The last axis has little room on its right. @param {import("../payload.d.ts").Headline} headline */
function scoreName({ name, title, unit }) {
  const short = title.length > SHORT ? name : title;
  return unit && unit !== "%" ? `${short}, ${unit}` : short;
}

const shortened = (/** @type {string} */ text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

const heightOf = (/** @type {number} */ share) => SIZE.bottom - share * (SIZE.bottom - SIZE.top);

/** Lines of runs across axes of settings and results. @param {View} view @param {HTMLElement} node */
export function drawParallel(view, node) {
  const runs = view.report.runs.filter((run) => view.shown.includes(run.variant) && run.score !== null);
  if (!runs.length) {
    node.replaceChildren(element("p", {}, "Nothing to draw: no run that is shown is completed."));
    return;
  }
  const axes = parallelAxes(view, runs);
  const { width, height, side } = SIZE;
  const x = (/** @type {number} */ i) => side + (axes.length > 1 ? (i * (width - 2 * side)) / (axes.length - 1) : 0);
  const label = node.dataset.alt ?? "";
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const lines = runs.map((run) => /** @type {Line} */ ([run, parallelLine(view, axes, x, run)]));
  picture.append(...lines.map(([, path]) => path));
  const update = () => applyBrushes(axes, lines);
  axes.forEach((one, i) => picture.append(parallelAxis(one, x(i), picture, update)));
  node.replaceChildren(picture);
  update();
}

/** @param {View} view @param {Axis[]} axes @param {(i: number) => number} x @param {Run} run */
function parallelLine(view, axes, x, run) {
  const points = axes.map(({ place }, i) => `${x(i).toFixed(1)} ${heightOf(place(run)).toFixed(1)}`);
  const path = svg("path", { d: `M${points.join("L")}`, stroke: styleOf(view, run.variant).color });
  path.append(svg("title", {}, `${run.name}: ${scored(view.dataset.headline, run.score)}`));
  return path;
}

/** @param {Axis} one @param {number} x @param {SVGElement} picture @param {() => void} update */
function parallelAxis({ name, ticks }, x, picture, update) {
  const { top, bottom } = SIZE;
  const group = svg("g", { transform: `translate(${x} 0)` });
  group.append(
    svg("line", { class: "axis", y1: top, y2: bottom }),
    svg("text", { y: top - 24, "text-anchor": "middle" }, shortened(name)),
  );
  for (const [share, text] of ticks) {
    group.append(svg("text", { class: "tick", x: 5, y: heightOf(share) + 3 }, shortened(text)));
  }
  const brush = svg("rect", { class: "brush", x: -7, width: 14 });
  const reach = { x: -16, width: 32, y: top - 8, height: heightOf(NONE.share) - top + 16 };
  const grip = svg("rect", { class: "grip", ...reach, "data-axis": name });
  const show = () => {
    const [low, high] = brushes.get(name) ?? [0, 0];
    brush.setAttribute("y", String(brushes.has(name) ? heightOf(high) : 0));
    brush.setAttribute("height", String(heightOf(low) - heightOf(high)));
  };
  followPointer(grip, name, picture, () => {
    show();
    update();
  });
  show();
  group.append(brush, grip);
  return group;
}

/**
 * A drag along an axis brushes an interval, a click lets go.
 * @param {SVGElement} grip
 * @param {string} name of the axis
 * @param {SVGElement} picture
 * @param {() => void} changed
 */
function followPointer(grip, name, picture, changed) {
  const shareAt = (/** @type {PointerEvent} */ event) => {
    const box = picture.getBoundingClientRect();
    return (SIZE.bottom - ((event.clientY - box.top) * SIZE.height) / box.height) / (SIZE.bottom - SIZE.top);
  };
  /** @type {number | null} */
  let from = null;
  grip.addEventListener("pointerdown", (event) => {
    from = shareAt(event);
    grip.setPointerCapture(event.pointerId);
  });
  grip.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = shareAt(event);
    brushes.set(name, [Math.min(from, to), Math.max(from, to)]);
    changed();
  });
  grip.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(shareAt(event) - from) < CLICK) brushes.delete(name);
    from = null;
    changed();
  });
}

/** Grey the lines outside a brush, and say how many are left. @param {Axis[]} axes @param {Line[]} lines */
function applyBrushes(axes, lines) {
  let count = 0;
  for (const [run, path] of lines) {
    const inside = axes.every(({ name, place }) => {
      const range = brushes.get(name);
      return !range || (range[0] <= place(run) && place(run) <= range[1]);
    });
    path.classList.toggle("out", !inside);
    count += Number(inside);
  }
  byId("brushed").textContent = `${count} of ${lines.length} runs`;
}
