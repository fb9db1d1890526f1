// figures are drawn when they come into view, and anew after a choice

import { byId, element } from "./elements.mjs";
import { energyFigure, timesFigure } from "./figures/bars.mjs";
import { confusionFigure } from "./figures/confusion.mjs";
import { costFigure } from "./figures/cost.mjs";
import { curvesFigure, layersFigure } from "./figures/curves.mjs";
import { pairsFigure } from "./figures/pairs.mjs";
import { clearBrushes, drawParallel } from "./figures/parallel.mjs";
import { sweptFigure } from "./figures/swept.mjs";
import { chosen, viewFrom } from "./state.mjs";
import { withLegend } from "./style.mjs";

/** @import { Drawn, Figure, Layout, View } from "./types.d.ts" */

/** @type {Record<string, (view: View) => Figure | null>} */
const FIGURES = {
  curves: curvesFigure,
  "score-active": (view) => costFigure(view, "active"),
  "score-energy": (view) => costFigure(view, "joules"),
  operations: (view) => energyFigure(view, false),
  energy: (view) => energyFigure(view, true),
  times: timesFigure,
  layers: layersFigure,
  swept: sweptFigure,
  confusion: confusionFigure,
  pairs: pairsFigure,
};

/** A button that saves a figure with its legend. @param {string} format @param {unknown} icon @param {number} scale */
function saver(format, icon, scale) {
  const click = (/** @type {HTMLElement & Figure} */ node) => {
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

/** Draw a figure anew, or say that there is nothing to draw. @param {string} id */
function drawFigure(id) {
  const node = /** @type {Drawn} */ (byId(id));
  const view = viewFrom(node);
  if (node.classList.contains("parallel")) {
    drawParallel(view, node);
    return;
  }
  const figure = FIGURES[id](view);
  if (!figure) {
    if (node.data) Plotly.purge(node);
    node.replaceChildren(element("p", {}, "Nothing to draw: no run that is shown has these values."));
    node.style.minHeight = "0";
    return;
  }
  if (!node.data) node.replaceChildren();
  /** @type {Layout} */
  const layout = chosen.paper
    ? { ...figure.layout, width: view.width, autosize: false }
    : { ...figure.layout, autosize: true };
  node.style.minHeight = `${layout.height}px`;
  Plotly.react(node, figure.data, layout, CONFIG);
}

/** @type {Set<string>} */
const inView = new Set();
/** @type {Set<string>} */
const upToDate = new Set();

/** @param {string} id */
function drawIfDue(id) {
  if (upToDate.has(id)) return;
  upToDate.add(id);
  drawFigure(id);
}

/** After a choice: what is in view now, the rest when it comes into view. */
export function redraw() {
  upToDate.clear();
  for (const id of inView) drawIfDue(id);
}

const places = () => document.querySelectorAll(".plot, .parallel");

/** Everything that is due, in view or not. */
export function drawAll() {
  for (const node of places()) drawIfDue(node.id);
}

/** All figures as paper has them. */
export function drawForPaper() {
  upToDate.clear();
  drawAll();
}

export function setUpDrawing() {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) {
          inView.add(target.id);
          drawIfDue(target.id);
        } else inView.delete(target.id);
      }
    },
    { rootMargin: "400px" },
  );
  for (const node of places()) observer.observe(node);
  byId("unbrush").addEventListener("click", () => {
    clearBrushes();
    drawFigure("parallel");
  });
}
