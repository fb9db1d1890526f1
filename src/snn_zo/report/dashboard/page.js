"use strict";

/** What the report holds, as snn_zo/report/dashboard/payload.py writes it. */
const report = JSON.parse(document.getElementById("report").textContent);

/** What the reader has chosen. */
const chosen = {
  data: 0,
  hidden: new Set(),
  metric: "",
  x: "epoch",
  activity: "active",
  confusion: -1,
  reference: -1,
  paper: false,
};

// Okabe and Ito's colours, which colour-blind readers tell apart, with an ochre for their yellow; lighter on a dark page
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31"];
const COLOURS_ON_DARK = ["#3D9FDC", "#F0733A", "#1FBE94", "#E39BC6", "#F2B33D", "#A5DCFA", "#C2A36B"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon"];
const SHOWN_AT_FIRST = 12;
const METRICS = {
  "val/acc": "validation accuracy",
  "val/loss": "validation loss",
  "train/acc": "training accuracy",
  "train/loss": "training loss",
};

/** Colour, dash and marker of a variant: the same in every figure. @param {number} index */
function styleOf(index) {
  const { style } = report.variants[index];
  return {
    color: (isDark() ? COLOURS_ON_DARK : COLOURS)[style % COLOURS.length],
    dash: DASHES[Math.floor(style / COLOURS.length) % DASHES.length],
    symbol: SYMBOLS[style % SYMBOLS.length],
  };
}

/** Variants of the chosen data set, best first. */
const variantsHere = () => report.variants.flatMap((variant, index) => (variant.data === chosen.data ? [index] : []));

const shownVariants = () => variantsHere().filter((index) => !chosen.hidden.has(index));

/** An element with attributes and text; text is never read as markup. */
function element(tag, attributes = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

const percent = (value, digits = 3) => (value === null ? "–" : `${Number((100 * value).toPrecision(digits))} %`);

function joules(value) {
  if (value === null) return "–";
  for (const [prefix, size] of [
    ["k", 1e3],
    ["", 1],
    ["m", 1e-3],
    ["µ", 1e-6],
  ])
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))} ${prefix}J`;
  return `${Number((value / 1e-9).toPrecision(3))} nJ`;
}

/* ---- theme ---- */

const isDark = () => {
  const forced = document.documentElement.dataset.theme;
  return forced ? forced === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

function setUpTheme() {
  const button = document.getElementById("theme");
  const say = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    say();
    drawLegend();
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    say();
    drawLegend();
    redraw();
  });
  say();
}

/* ---- the legend of all figures ---- */

function swatch(index) {
  const { color, dash } = styleOf(index);
  const pattern = { solid: "", dash: "6 3", dot: "2 2", dashdot: "6 2 2 2", longdash: "9 3" }[dash];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 26 12");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({
    d: "M1 6H25",
    stroke: color,
    "stroke-width": 3,
    "stroke-dasharray": pattern,
  }))
    line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function drawLegend() {
  const legend = document.getElementById("legend");
  legend.replaceChildren(
    ...variantsHere().map((index) => {
      const label = report.variants[index].label;
      const button = element("button", { type: "button", title: label, "data-variant": index }, label);
      button.setAttribute("aria-pressed", String(!chosen.hidden.has(index)));
      button.prepend(swatch(index));
      button.addEventListener("click", () => {
        if (!chosen.hidden.delete(index)) chosen.hidden.add(index);
        button.setAttribute("aria-pressed", String(!chosen.hidden.has(index)));
        redraw();
      });
      return button;
    }),
  );
}

function setUpLegend() {
  const isProminent = (index) => report.variants[index].style < SHOWN_AT_FIRST;
  chosen.hidden = new Set([...report.variants.keys()].filter((index) => !isProminent(index)));
  const showOnly = (wanted) => {
    chosen.hidden = new Set(report.variants.keys());
    for (const index of variantsHere().filter(wanted)) chosen.hidden.delete(index);
    drawLegend();
    redraw();
  };
  const prominent = document.getElementById("prominent");
  prominent.hidden = chosen.hidden.size === 0;
  prominent.textContent = `first ${SHOWN_AT_FIRST}`;
  prominent.addEventListener("click", () => showOnly(isProminent));
  document.getElementById("all").addEventListener("click", () => showOnly(() => true));
  document.getElementById("none").addEventListener("click", () => showOnly(() => false));
  const data = document.getElementById("dataset");
  data.addEventListener("change", () => {
    chosen.data = Number(data.value);
    fillChoices();
    drawLegend();
    redraw();
  });
  drawLegend();
}

/* ---- choices of single figures ---- */

/** Fill a select; keeps the present choice where it is still there. */
function fill(id, options, key) {
  const select = document.getElementById(id);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  const values = options.map(([value]) => value);
  if (!values.includes(chosen[key]) && values.length) chosen[key] = values[0];
  select.value = String(chosen[key]);
}

function fillChoices() {
  const here = variantsHere();
  const named = (indices) => indices.map((index) => [index, report.variants[index].label]);
  const metrics = [...new Set(here.flatMap((index) => Object.keys(report.variants[index].curves.y)))];
  const curves = metrics.filter((name) => !name.startsWith("sparsity/"));
  fill(
    "metric",
    curves.map((name) => [name, METRICS[name]]),
    "metric",
  );
  fill("confused", named(here.filter((index) => report.variants[index].confusion)), "confusion");
  const paired = new Set(report.pairs.flatMap((pair) => [pair.a, pair.b]));
  fill("reference", named(here.filter((index) => paired.has(index))), "reference");
}

function setUpChoices() {
  const choices = {
    metric: "metric",
    x: "x",
    "activity-kind": "activity",
    confused: "confusion",
    reference: "reference",
  };
  for (const [id, key] of Object.entries(choices)) {
    const select = document.getElementById(id);
    select.addEventListener("change", () => {
      chosen[key] = ["confusion", "reference"].includes(key) ? Number(select.value) : select.value;
      redraw();
    });
  }
  fillChoices();
}

/* ---- tables ---- */

/** Sort by a column; numbers as numbers, what is missing last in either direction. */
function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const key = (row) => row.cells[column].dataset.sort;
  const numeric = [...body.rows].every((row) => key(row) === "" || Number.isFinite(Number(key(row))));
  const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true }));
  const rows = [...body.rows].map((row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return descending ? compare(b, a) : compare(a, b);
  });
  body.append(...rows.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((cell, i) => {
    cell.setAttribute("aria-sort", i !== column ? "none" : descending ? "descending" : "ascending");
  });
}

function setUpTables() {
  for (const table of document.querySelectorAll("table.sortable"))
    [...table.tHead.rows[0].cells].forEach((cell, column) =>
      cell
        .querySelector("button")
        .addEventListener("click", () => sortTable(table, column, cell.getAttribute("aria-sort") === "ascending")),
    );
  setUpFilter();
}

function setUpFilter() {
  const table = document.getElementById("runs");
  if (!table) return;
  const [text, method, status] = ["filter-text", "filter-method", "filter-status"].map((id) =>
    document.getElementById(id),
  );
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [row, content] of rows) {
      const { status: state, method: kind, dead } = row.dataset;
      const keep =
        words.every((word) => content.includes(word)) &&
        (!method.value || kind === method.value) &&
        (!status.value || state === status.value || (status.value === "dead" && dead === "yes"));
      row.hidden = !keep;
      count += keep;
    }
    document.getElementById("filtered").textContent = `${count} of ${rows.length} runs`;
  };
  for (const input of [text, method, status]) input.addEventListener("input", apply);
  apply();
}

/* ---- downloads ---- */

function setUpDownloads() {
  for (const button of document.querySelectorAll("button[data-download]"))
    button.addEventListener("click", () => {
      const name = button.dataset.download;
      const url = URL.createObjectURL(new Blob([report.downloads[name]], { type: "text/plain;charset=utf-8" }));
      const link = element("a", { href: url, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
}

/* ---- drawing when seen, and on paper ---- */

const inView = new Set();
const upToDate = new Set();

function drawIfDue(id) {
  if (upToDate.has(id)) return;
  upToDate.add(id);
  drawFigure(id);
}

/** After a choice: what is in view now, the rest when it comes into view. */
function redraw() {
  upToDate.clear();
  for (const id of inView) drawIfDue(id);
}

function drawAll() {
  for (const node of document.querySelectorAll(".plot, .parallel")) drawIfDue(node.id);
}

function setUpDrawing() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting) {
          inView.add(target.id);
          drawIfDue(target.id);
        } else inView.delete(target.id);
    },
    { rootMargin: "400px" },
  );
  for (const node of document.querySelectorAll(".plot, .parallel")) observer.observe(node);
  const theme = { before: undefined };
  addEventListener("beforeprint", () => {
    theme.before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    chosen.paper = true;
    drawLegend();
    upToDate.clear();
    drawAll();
  });
  addEventListener("afterprint", () => {
    if (theme.before) document.documentElement.dataset.theme = theme.before;
    else delete document.documentElement.dataset.theme;
    chosen.paper = false;
    drawLegend();
    redraw();
  });
}

setUpTheme();
setUpLegend();
setUpChoices();
setUpTables();
setUpDownloads();
setUpDrawing();
