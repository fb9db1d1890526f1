// what the page holds, and what the reader has chosen

import { byId } from "./elements.mjs";
import { PAPER } from "./style.mjs";

/** @type {import("./payload.d.ts").Report} */
export const report = JSON.parse(byId("report").textContent ?? "");

/** @type {import("./types.d.ts").Chosen} */
export const chosen = {
  data: 0,
  hidden: new Set(),
  metric: "",
  x: "epoch",
  activity: "active",
  confusion: -1,
  reference: -1,
  paper: false,
};

/** Variants of the chosen data set, best first. */
export const variantsHere = () => report.variants.flatMap(({ data }, index) => (data === chosen.data ? [index] : []));

export const isDark = () => {
  const forced = document.documentElement.dataset.theme;
  return forced ? forced === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

/** Colours that have been looked up, by the theme and their name. @type {Map<string, string>} */
const colours = new Map();

/** A colour of the style sheet, as the present theme has it. @param {string} name */
export function colour(name) {
  const { colorScheme } = getComputedStyle(document.documentElement); // the style sheet's for paper is light
  const key = `${colorScheme} ${isDark()} ${name}`;
  const known = colours.get(key);
  if (known) return known;
  const probe = byId("main");
  probe.style.outlineColor = `var(--${name})`;
  const found = getComputedStyle(probe).outlineColor;
  probe.style.outlineColor = "";
  colours.set(key, found);
  return found;
}

/** What a figure in this place is drawn from. @param {HTMLElement} node @returns {import("./types.d.ts").View} */
export function viewFrom(node) {
  const width = chosen.paper ? paperWidth(node) : node.clientWidth;
  return {
    report,
    chosen,
    dataset: report.datasets[chosen.data],
    shown: shownHere(),
    width,
    narrow: width < NARROW,
    dark: isDark(),
    colour,
  };
}

/** Variants of the chosen data set that are not hidden, best first. */
export const shownHere = () => variantsHere().filter((index) => !chosen.hidden.has(index));

const NARROW = 520; // px
const paperWidth = (/** @type {HTMLElement} */ node) => (node.closest(".pair") ? PAPER.half : PAPER.width);
