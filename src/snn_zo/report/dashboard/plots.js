"use strict";

const PHASES = {
  forward: "#77AADD",
  grad_input: "#EE8866",
  grad_weight: "#EEDD88",
  neuron: "#44BB99",
  optimizer: "#FFAABB",
  memory: "#BBBBBB",
};
const PARTS = { forward: "#77AADD", backward: "#EE8866", rest: "#BBBBBB" };
const PAPER_WIDTH = 690; // px, the width of A4 between its margins

/** Text for plotly, which would read tags, entities and %{...} in it. */
function plain(text, length = 48) {
  const short = text.length > length ? `${text.slice(0, length - 1)}…` : text;
  return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%\u200b{");
}

/** A label in lines of about `width` characters. */
function wrapped(label, width) {
  const lines = [""];
  for (const word of plain(label, 60).split(" ")) {
    const last = lines[lines.length - 1];
    if (!last || last.length + word.length < width) lines[lines.length - 1] = last ? `${last} ${word}` : word;
    else lines.push(word);
  }
  return lines.join("<br>");
}

/** A colour of the style sheet, as the present theme has it. */
function themed(name) {
  const probe = document.getElementById("main");
  probe.style.outlineColor = `var(--${name})`;
  const colour = getComputedStyle(probe).outlineColor;
  probe.style.outlineColor = "";
  return colour;
}

const isNarrow = (node) => !chosen.paper && node.clientWidth < 520;

function axis(title, more = {}) {
  const rule = themed("rule");
  const line = {
    gridcolor: rule,
    linecolor: themed("soft"),
    zeroline: false,
    showline: true,
    ticks: "outside",
    ticklen: 4,
  };
  return { title: { text: title, standoff: 8 }, automargin: true, tickcolor: themed("soft"), ...line, ...more };
}

const PERCENT = { tickformat: "~p" };
const ACCURACY = { ...PERCENT, autorangeoptions: { clipmin: 0, clipmax: 1.01 } };
const JOULES = { tickformat: "~s", ticksuffix: "J" };

/** A logarithmic axis with ticks at 1, 2 and 5 where there is a decade or more; plotly's own crowd or vanish. */
function logAxis(title, format, values) {
  const low = Math.log10(Math.min(...values));
  const high = Math.log10(Math.max(...values));
  if (!values.length) return axis(title, { type: "log", ...format });
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => 10 ** (Math.floor(low) + i));
  const steps = high - low > 4 ? [1] : [1, 2, 5];
  const ticks =
    high > low && high - low < 0.7
      ? { nticks: 6 }
      : { tickvals: decades.flatMap((decade) => steps.map((step) => step * decade)) };
  return axis(title, { type: "log", ...ticks, ...format });
}

function layoutOf(more) {
  return {
    font: { family: "system-ui, -apple-system, Segoe UI, Liberation Sans, sans-serif", size: 12, color: themed("ink") },
    paper_bgcolor: themed("paper"),
    plot_bgcolor: themed("paper"),
    hoverlabel: {
      align: "left",
      bgcolor: themed("shade"),
      bordercolor: themed("soft"),
      font: { color: themed("ink") },
    },
    margin: { l: 58, r: 16, t: 12, b: 48 },
    showlegend: false,
    hovermode: "closest",
    height: 380,
    ...more,
  };
}

const ABOVE = { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", traceorder: "normal" };
const BELOW = {
  orientation: "h",
  x: 0,
  y: 0,
  yref: "container",
  xanchor: "left",
  yanchor: "bottom",
  traceorder: "normal",
};

/** The layout of a figure that leaves the page, where it has to name its variants itself. */
function withLegend({ data, layout }) {
  const names = data.filter((trace) => trace.showlegend);
  const room = 22 * Math.ceil(names.length / 3);
  return names.length ? { ...layout, showlegend: true, legend: BELOW, height: layout.height + room } : layout;
}

const alpha = (hex, share) =>
  hex +
  Math.round(255 * share)
    .toString(16)
    .padStart(2, "0");

/** A mean with its band; `axes` names the subplot. */
function curve(index, name, x, axes = {}) {
  const { label, curves } = report.variants[index];
  const values = curves.y[name];
  if (!values || !curves.x[x]) return [];
  const { color, dash } = styleOf(index);
  const [mean, low, high] = values;
  const at = curves.x[x];
  const traces = [];
  if (low) {
    const edge = { x: at, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, ...axes };
    traces.push({ ...edge, y: low }, { ...edge, y: high, fill: "tonexty", fillcolor: alpha(color, 0.16) });
  }
  const hovertemplate = `${plain(label)}<br>%{x:.4~g}, %{y:.4~g}<extra></extra>`;
  traces.push({
    x: at,
    y: mean,
    mode: at.length > 1 ? "lines" : "markers",
    line: { color, dash, width: 1.8 },
    marker: { color },
    hovertemplate,
    name: plain(label),
    showlegend: (axes.xaxis ?? "x") === "x", // once for all subplots
    ...axes,
  });
  return traces;
}

const X_TITLE = { epoch: "epoch", joules: "modelled energy so far, J", seconds: "training time so far, s" };

function curvesFigure() {
  const name = chosen.metric;
  const data = shownVariants().flatMap((index) => curve(index, name, chosen.x));
  if (!data.length) return null;
  const y = axis(METRICS[name], name.endsWith("acc") ? ACCURACY : {});
  return { data, layout: layoutOf({ height: 430, xaxis: axis(X_TITLE[chosen.x], { rangemode: "tozero" }), yaxis: y }) };
}

function layersFigure(node) {
  const here = shownVariants();
  const suffix = `/${chosen.activity}`;
  const names = [...new Set(here.flatMap((index) => Object.keys(report.variants[index].curves.y)))].filter(
    (name) => name.startsWith("sparsity/") && name.endsWith(suffix),
  );
  const values = here
    .flatMap((index) => names.flatMap((name) => report.variants[index].curves.y[name]?.[0] ?? []))
    .filter((value) => value > 0);
  const data = [];
  const columns = Math.min(names.length, isNarrow(node) ? 1 : 3);
  const rows = Math.ceil(names.length / columns);
  const grid = { rows, columns, pattern: "independent", xgap: 0.06, ygap: 0.24 };
  const layout = layoutOf({ grid, height: 70 + 290 * rows, margin: { l: 62, r: 12, t: 28, b: 46 }, annotations: [] });
  names.forEach((name, i) => {
    const number = i ? i + 1 : "";
    for (const index of here) data.push(...curve(index, name, "epoch", { xaxis: `x${number}`, yaxis: `y${number}` }));
    layout[`xaxis${number}`] = axis("epoch", { rangemode: "tozero" });
    const first = i % columns === 0;
    const title = first ? chosen.activity.replace("_", " ") : "";
    layout[`yaxis${number}`] = {
      ...logAxis(title, PERCENT, values),
      matches: i ? "y" : undefined,
      showticklabels: first,
    };
    const place = {
      xref: `x${number} domain`,
      yref: `y${number} domain`,
      x: 0,
      y: 1.02,
      xanchor: "left",
      yanchor: "bottom",
    };
    layout.annotations.push({
      ...place,
      text: plain(name.slice("sparsity/".length, -suffix.length)),
      showarrow: false,
    });
  });
  return data.length ? { data, layout } : null;
}

/** The Pareto fronts, each from its cheapest to its most accurate variant. */
function frontTraces(quantity) {
  const line = { color: themed("soft"), dash: "dot", width: 1.5, shape: "hv" };
  return (report.fronts[chosen.data]?.[quantity] ?? []).map((front) => {
    const variants = front.map((index) => report.variants[index]).filter((variant) => variant[quantity][0] > 0);
    return {
      x: variants.map((v) => v[quantity][0]),
      y: variants.map((v) => v.accuracy[0]),
      mode: "lines",
      line,
      hoverinfo: "skip",
      showlegend: false,
    };
  });
}

function againstFigure(quantity, title, format, shown) {
  const here = new Set(shownVariants());
  const data = frontTraces(quantity);
  for (const index of here) {
    const variant = report.variants[index];
    const { color, symbol } = styleOf(index);
    const runs = report.runs.filter((run) => run.variant === index && run.accuracy !== null && run[quantity] > 0);
    data.push({
      x: runs.map((run) => run[quantity]),
      y: runs.map((run) => run.accuracy),
      text: runs.map(
        (run) =>
          `${plain(run.name)}<br>${percent(run.accuracy)} at ${shown(run[quantity])}${run.dead ? "<br>dead" : ""}`,
      ),
      mode: "markers",
      hovertemplate: "%{text}<extra></extra>",
      showlegend: false,
      marker: { color, size: 6, opacity: 0.5, symbol: runs.map((run) => (run.dead ? "x" : "circle")) },
    });
    if (!variant.accuracy || !(variant[quantity]?.[0] > 0)) continue;
    data.push({
      x: [variant[quantity][0]],
      y: [variant.accuracy[0]],
      text: [
        `${plain(variant.label)}<br>mean of ${variant.accuracy[3]}: ${percent(variant.accuracy[0])} at ${shown(variant[quantity][0])}`,
      ],
      mode: "markers",
      hovertemplate: "%{text}<extra></extra>",
      name: plain(variant.label),
      showlegend: true,
      marker: { color, symbol, size: 12, line: { color: themed("paper"), width: 1.5 } },
    });
  }
  if (!data.some((trace) => trace.text?.length)) return null;
  const values = data.flatMap((trace) => trace.x).filter((value) => value > 0);
  const x = logAxis(title, format, values);
  return { data, layout: layoutOf({ xaxis: x, yaxis: axis("test accuracy", ACCURACY) }) };
}

/** Stacked horizontal bars: `rows` of a label and its parts. */
function barsFigure(node, rows, colours, title, format) {
  const kept = rows.filter(([, parts]) => parts);
  if (!kept.length) return null;
  const at = kept.map((_, i) => i);
  const data = Object.entries(colours).flatMap(([name, color]) => {
    const x = kept.map(([, parts]) => parts[name] ?? null);
    if (x.every((value) => value === null)) return [];
    const marker = { color, line: { color: themed("paper"), width: 0.5 } };
    const shown = name.replace("_", " ");
    return [
      {
        type: "bar",
        orientation: "h",
        x,
        y: at,
        name: shown,
        marker,
        hovertemplate: `${shown}: %{x:.3~s}${format.ticksuffix ?? "s"}<extra></extra>`,
      },
    ];
  });
  const y = {
    tickvals: at,
    ticktext: kept.map(([label]) => wrapped(label, isNarrow(node) ? 16 : 32)),
    autorange: "reversed",
    showgrid: false,
  };
  const height = 130 + (isNarrow(node) ? 42 : 34) * kept.length;
  const x = axis(title, { ...format, rangemode: "tozero", nticks: isNarrow(node) ? 4 : 6 });
  return {
    data,
    layout: layoutOf({
      barmode: "stack",
      bargap: 0.35,
      height,
      xaxis: x,
      yaxis: axis("", y),
      showlegend: true,
      legend: ABOVE,
    }),
  };
}

function energyFigure(node, withMemory) {
  const names = Object.keys(PHASES).filter((name) => withMemory || name !== "memory");
  const parts = (energy) => energy && Object.fromEntries(names.map((name) => [name, energy[name]]));
  const here = shownVariants().map((index) => report.variants[index]);
  const rows = here.map(({ label, energy }) => [label, parts(energy?.modelled)]);
  const dense = here.find(({ energy }) => energy?.dense);
  if (dense && withMemory) rows.push(["dense products", parts(dense.energy.dense)]);
  return barsFigure(node, rows, PHASES, withMemory ? "operations and memory" : "operations alone", JOULES);
}

function timesFigure(node) {
  const rows = shownVariants().map((index) => {
    const { label, times } = report.variants[index];
    const { forward, backward, epoch } = times;
    if (epoch === null) return [label, null];
    const known = (forward ?? 0) + (backward ?? 0);
    return [label, { forward, backward, rest: Math.max(0, epoch - known) }];
  });
  const split = rows.some(([, parts]) => parts && parts.forward !== null);
  const figure = barsFigure(node, rows, PARTS, "seconds an epoch", {});
  if (figure && !split) figure.layout.showlegend = false;
  return figure;
}

function confusionFigure(node) {
  const matrix = report.variants[chosen.confusion]?.confusion;
  if (!matrix || report.variants[chosen.confusion].data !== chosen.data) return null;
  const { classes, runs, index, count } = matrix;
  const mean = Array.from({ length: classes }, () => Array(classes).fill(0));
  index.forEach((cell, i) => (mean[Math.floor(cell / classes)][cell % classes] = count[i] / runs));
  const share = mean.map((row) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((value) => (total ? value / total : 0));
  });
  const text = mean.map((row) => row.map((value) => (value ? String(Number(value.toPrecision(3))) : "")));
  const bar = {
    title: { text: "share of the class", side: "right" },
    tickformat: "~p",
    thickness: 12,
    outlinewidth: 0,
  };
  const scale = isDark()
    ? [
        [0, "#1f2326"],
        [0.5, "#2f6690"],
        [1, "#bfe1ff"],
      ]
    : [
        [0, "#f7f7f4"],
        [0.5, "#6fa8d3"],
        [1, "#08306b"],
      ];
  const heat = {
    type: "heatmap",
    z: share,
    text,
    zmin: 0,
    zmax: 1,
    colorscale: scale,
    colorbar: isNarrow(node) ? undefined : bar,
    showscale: !isNarrow(node),
    xgap: 1,
    ygap: 1,
  };
  if (classes <= 20) heat.texttemplate = "%{text}";
  heat.hovertemplate = "class %{y} as %{x}: %{text} recordings, %{z:.3~p}<extra></extra>";
  const ticks = { showgrid: false, ticks: "", showline: false, ...(classes <= 20 ? { dtick: 1 } : {}) };
  const size = Math.min(chosen.paper ? PAPER_WIDTH : node.clientWidth, 620);
  const y = axis("true class", { ...ticks, autorange: "reversed", scaleanchor: "x", constrain: "domain" });
  const title = { text: plain(report.variants[chosen.confusion].label), font: { size: 12 }, x: 0.5 };
  return {
    data: [heat],
    layout: layoutOf({
      title,
      margin: { l: 58, r: 16, t: 34, b: 48 },
      height: Math.max(320, 0.9 * size),
      xaxis: axis("predicted class", { ...ticks, constrain: "domain" }),
      yaxis: y,
    }),
  };
}

function pairsFigure(node) {
  const reference = chosen.reference;
  const shown = new Set(shownVariants());
  const rows = report.pairs.flatMap(({ a, b, difference, improvement, n }) => {
    const flip = a === reference;
    const other = flip ? b : a;
    if ((!flip && b !== reference) || !shown.has(other) || difference[0] === null) return [];
    const [mean, low, high] = difference;
    const [better, least, most] = improvement;
    const inverse = (value) => (value === null ? null : 1 - value);
    if (!flip) return [{ other, mean, low, high, better, least, most, n }];
    const negative = (value) => (value === null ? null : -value);
    return [
      {
        other,
        mean: -mean,
        low: negative(high),
        high: negative(low),
        better: inverse(better),
        least: inverse(most),
        most: inverse(least),
        n,
      },
    ];
  });
  if (!rows.length) return null;
  rows.sort((a, b) => b.mean - a.mean);
  const at = rows.map((_, i) => i);
  const points = (value) => Number((100 * value).toPrecision(3));
  const spread = (row, side) => (row.low === null ? 0 : 100 * Math.abs(row[side] - row.mean));
  const styles = rows.map((row) => styleOf(row.other));
  const trace = {
    x: rows.map((row) => 100 * row.mean),
    y: at,
    mode: "markers",
    marker: { color: styles.map(({ color }) => color), symbol: styles.map(({ symbol }) => symbol), size: 10 },
    error_x: {
      type: "data",
      symmetric: false,
      array: rows.map((r) => spread(r, "high")),
      arrayminus: rows.map((r) => spread(r, "low")),
      color: themed("soft"),
      thickness: 1.4,
      width: 5,
    },
    text: rows.map(
      (row) => `${points(row.mean)} points${row.low === null ? "" : ` (${points(row.low)} to ${points(row.high)})`}`,
    ),
    hovertemplate: "%{text}<extra></extra>",
  };
  const annotations = rows.map((row, i) => ({
    xref: "paper",
    x: 1.01,
    xanchor: "left",
    y: i,
    showarrow: false,
    align: "left",
    text: row.better === null ? `${row.n} pair` : `${Number(row.better.toPrecision(2))}  (${row.n})`,
  }));
  const head = {
    xref: "paper",
    x: 1.01,
    xanchor: "left",
    yref: "paper",
    y: 1,
    yanchor: "bottom",
    showarrow: false,
    text: "P (pairs)",
  };
  const zero = { type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: themed("ink"), width: 1 } };
  const y = {
    tickvals: at,
    ticktext: rows.map((row) => wrapped(report.variants[row.other].label, isNarrow(node) ? 16 : 32)),
    range: [rows.length - 0.4, -0.6],
    showgrid: false,
  };
  const x = axis(`points of accuracy above${isNarrow(node) ? "<br>" : " "}${plain(report.variants[reference].label)}`);
  const layout = layoutOf({
    height: 130 + (isNarrow(node) ? 42 : 32) * rows.length,
    margin: { l: 58, r: 92, t: 30, b: 48 },
    xaxis: x,
    yaxis: axis("", y),
    shapes: [zero],
    annotations: [...annotations, head],
  });
  return { data: [trace], layout };
}

const FIGURES = {
  curves: curvesFigure,
  "accuracy-active": () => againstFigure("active", "active fraction of the backward pass", PERCENT, percent),
  "accuracy-energy": () => againstFigure("joules", "modelled energy of the training", JOULES, joules),
  operations: (node) => energyFigure(node, false),
  energy: (node) => energyFigure(node, true),
  times: timesFigure,
  layers: layersFigure,
  confusion: confusionFigure,
  pairs: pairsFigure,
};

/** A button that saves a figure with its legend. */
function saver(format, icon, scale) {
  const click = (node) => {
    const layout = withLegend(node);
    const size = { width: node.clientWidth, height: layout.height };
    Plotly.downloadImage({ data: node.data, layout }, { format, filename: node.id, scale, ...size });
  };
  return { name: format, title: `Save as ${format.toUpperCase()}`, icon, click };
}

const CONFIG = {
  displaylogo: false,
  responsive: true,
  modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  modeBarButtonsToAdd: [saver("png", Plotly.Icons.camera, 3), saver("svg", Plotly.Icons.disk, 1)],
};

/** Draw a figure anew, or say that there is nothing to draw. */
function drawFigure(id) {
  const node = document.getElementById(id);
  if (node.classList.contains("parallel")) {
    drawParallel(node);
    return;
  }
  const figure = FIGURES[id](node);
  if (!figure) {
    if (node.data) Plotly.purge(node);
    node.replaceChildren(element("p", {}, "Nothing to draw: no run that is shown has these values."));
    node.style.minHeight = "0";
    return;
  }
  if (!node.data) node.replaceChildren();
  const layout = chosen.paper
    ? { ...withLegend(figure), width: PAPER_WIDTH, autosize: false }
    : { ...figure.layout, autosize: true };
  node.style.minHeight = `${layout.height}px`;
  Plotly.react(node, figure.data, layout, CONFIG);
}
