"use strict";

// drawn here, as plotly's parcoords needs WebGL, which remote desktops and paper lack, and eval, which the page forbids

const PARALLEL = { width: 1000, height: 360, top: 46, bottom: 330, side: 60 };

/** Brushed intervals, as shares of an axis' height, by the axis' name. */
const brushes = new Map();

/** A scale from values to the share of the axis' height, with ticks. */
function scaleOf(values, log, shown) {
  if (values.every((value) => typeof value === "number")) {
    const at = log && values.every((value) => value > 0) ? Math.log10 : (value) => value;
    const low = Math.min(...values.map(at));
    const high = Math.max(...values.map(at));
    const share = (value) => (high > low ? (at(value) - low) / (high - low) : 0.5);
    const distinct = [...new Set(values)].sort((a, b) => a - b);
    const back = (part) => (at === Math.log10 ? 10 ** (low + part * (high - low)) : low + part * (high - low));
    const ticks = distinct.length <= 6 ? distinct : [0, 0.25, 0.5, 0.75, 1].map(back);
    return { share, ticks: apart(ticks.map((value) => [share(value), shown(value)])) };
  }
  const names = [...new Set(values.map(String))].sort();
  const share = (value) => (names.length > 1 ? names.indexOf(String(value)) / (names.length - 1) : 0.5);
  const step = Math.ceil(names.length / 12);
  return { share, ticks: names.filter((_, i) => i % step === 0).map((name) => [share(name), name]) };
}

/** Ticks, from the ends inwards, that do not run into each other. */
function apart(ticks) {
  const kept = [];
  for (const tick of [ticks[0], ticks[ticks.length - 1], ...ticks.slice(1, -1)])
    if (kept.every(([share]) => Math.abs(share - tick[0]) > 0.06)) kept.push(tick);
  return kept;
}

const number = (value) => String(Number(Number(value).toPrecision(3)));

function parallelAxes(runs) {
  const settings = Object.entries(report.swept[chosen.data] ?? {}).map(([setting, name]) => ({
    name,
    of: (run) => report.variants[run.variant].varied[setting],
    log: false,
    shown: number,
  }));
  const results = [
    { name: "spike rate", of: (run) => run.spike_rate, log: false, shown: percent },
    { name: "active", of: (run) => run.active, log: true, shown: percent },
    { name: "energy", of: (run) => run.joules, log: true, shown: joules },
    { name: "s / epoch", of: (run) => run.epoch_s, log: false, shown: number },
    { name: "accuracy", of: (run) => run.accuracy, log: false, shown: percent },
  ];
  const method = { name: "method", of: (run) => report.variants[run.variant].method, log: false, shown: String };
  return [method, ...settings, ...results].flatMap((one) => {
    const values = runs.map(one.of).filter((value) => value !== null && value !== undefined);
    return values.length ? [{ ...one, scale: scaleOf(values, one.log, one.shown) }] : [];
  });
}

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text.length > 18 ? `${text.slice(0, 17)}…` : text;
  return made;
}

/** Lines of runs across axes of settings and results. */
function drawParallel(node) {
  const shown = new Set(shownVariants());
  const runs = report.runs.filter((run) => shown.has(run.variant) && run.accuracy !== null);
  const axes = parallelAxes(runs);
  if (!runs.length) {
    node.replaceChildren(element("p", {}, "Nothing to draw: no run that is shown is completed."));
    return;
  }
  const { width, height, top, bottom, side } = PARALLEL;
  const x = (i) => side + (axes.length > 1 ? (i * (width - 2 * side)) / (axes.length - 1) : 0);
  const y = (share) => bottom - share * (bottom - top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": node.dataset.alt });
  const lines = runs.map((run) => {
    const points = axes.flatMap((one, i) => {
      const value = one.of(run);
      return value === null || value === undefined
        ? []
        : [`${x(i).toFixed(1)} ${y(one.scale.share(value)).toFixed(1)}`];
    });
    const path = svg("path", { d: `M${points.join("L")}`, stroke: styleOf(run.variant).color });
    path.append(svg("title", {}));
    path.firstChild.textContent = `${run.name}: ${percent(run.accuracy)}`;
    return [run, path];
  });
  picture.append(...lines.map(([, path]) => path));
  const update = () => applyBrushes(node, axes, lines);
  axes.forEach((one, i) => picture.append(parallelAxis(one, x(i), y, picture, update)));
  node.replaceChildren(picture);
  update();
}

function parallelAxis(one, x, y, picture, update) {
  const group = svg("g", { transform: `translate(${x} 0)` });
  const { top, bottom } = PARALLEL;
  group.append(
    svg("line", { class: "axis", y1: top, y2: bottom }),
    svg("text", { y: top - 24, "text-anchor": "middle" }, one.name),
  );
  for (const [share, text] of one.scale.ticks)
    group.append(svg("text", { class: "tick", x: 5, y: y(share) + 3 }, text));
  const brush = svg("rect", { class: "brush", x: -7, width: 14 });
  const grip = svg("rect", {
    class: "grip",
    x: -16,
    width: 32,
    y: top - 8,
    height: bottom - top + 16,
    "data-axis": one.name,
  });
  const show = () => {
    const range = brushes.get(one.name);
    brush.setAttribute("y", range ? y(range[1]) : 0);
    brush.setAttribute("height", range ? y(range[0]) - y(range[1]) : 0);
  };
  const shareAt = (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientY - box.top) * PARALLEL.height) / box.height;
    return (bottom - at) / (bottom - top);
  };
  let from = null;
  grip.addEventListener("pointerdown", (event) => {
    from = shareAt(event);
    grip.setPointerCapture(event.pointerId);
  });
  grip.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = shareAt(event);
    brushes.set(one.name, [Math.min(from, to), Math.max(from, to)]);
    show();
    update();
  });
  grip.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(shareAt(event) - from) < 0.01) brushes.delete(one.name);
    from = null;
    show();
    update();
  });
  show();
  group.append(brush, grip);
  return group;
}

/** Grey the lines outside a brush, and say how many are left. */
function applyBrushes(node, axes, lines) {
  const active = axes.filter((one) => brushes.has(one.name));
  let count = 0;
  for (const [run, path] of lines) {
    const inside = active.every((one) => {
      const value = one.of(run);
      if (value === null || value === undefined) return false;
      const share = one.scale.share(value);
      const [low, high] = brushes.get(one.name);
      return share >= low && share <= high;
    });
    path.classList.toggle("out", !inside);
    count += inside;
  }
  document.getElementById("brushed").textContent = `${count} of ${lines.length} runs`;
}

document.getElementById("unbrush").addEventListener("click", () => {
  brushes.clear();
  drawFigure("parallel");
});
