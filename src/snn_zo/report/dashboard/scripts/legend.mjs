// the bar of variants is the legend of all figures

import { redraw } from "./drawing.mjs";
import { byId, element, svg } from "./elements.mjs";
import { chosen, colour, report, shownHere, variantsHere } from "./state.mjs";
import { styleOf } from "./style.mjs";

const SHOWN_AT_FIRST = 12;
/** @type {Record<string, string>} */
const PATTERNS = { solid: "", dash: "6 3", dot: "2 2", dashdot: "6 2 2 2", longdash: "9 3" };

/** @param {number} index */
function swatch(index) {
  const { color, dash } = styleOf({ report, colour }, index);
  const picture = svg("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" });
  picture.append(
    svg("path", { d: "M1 6H25", stroke: color, "stroke-width": 3, "stroke-dasharray": PATTERNS[dash] }),
  );
  return picture;
}

/** @param {number} index */
function variantButton(index) {
  const { label } = report.variants[index];
  const button = element("button", { type: "button", title: label, "data-variant": index }, label);
  const say = () => button.setAttribute("aria-pressed", String(!chosen.hidden.has(index)));
  say();
  button.prepend(swatch(index));
  button.addEventListener("click", () => {
    if (!chosen.hidden.delete(index)) chosen.hidden.add(index);
    say();
    redraw();
  });
  return button;
}

/** The bar, and for paper what is shown in each section. */
export function drawLegend() {
  byId("legend").replaceChildren(...variantsHere().map(variantButton));
  for (const place of document.querySelectorAll(".paper-legend")) {
    place.replaceChildren(
      ...shownHere().map((index) => {
        const entry = element("span", {}, report.variants[index].label);
        entry.prepend(swatch(index));
        return entry;
      }),
    );
  }
}

export function setUpLegend() {
  const isProminent = (/** @type {number} */ index) => report.variants[index].style < SHOWN_AT_FIRST;
  chosen.hidden = new Set([...report.variants.keys()].filter((index) => !isProminent(index)));
  const showOnly = (/** @type {(index: number) => boolean} */ wanted) => {
    chosen.hidden = new Set(report.variants.keys());
    for (const index of variantsHere().filter(wanted)) chosen.hidden.delete(index);
    drawLegend();
    redraw();
  };
  const prominent = byId("prominent");
  prominent.hidden = chosen.hidden.size === 0;
  prominent.textContent = `first ${SHOWN_AT_FIRST}`;
  prominent.addEventListener("click", () => showOnly(isProminent));
  byId("all").addEventListener("click", () => showOnly(() => true));
  byId("none").addEventListener("click", () => showOnly(() => false));
  drawLegend();
}
