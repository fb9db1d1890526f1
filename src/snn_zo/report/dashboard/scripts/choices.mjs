// the choices of the data set and of single figures

import { redraw } from "./drawing.mjs";
import { element, selectById } from "./elements.mjs";
import { quantities } from "./figures/curves.mjs";
import { drawLegend } from "./legend.mjs";
import { metricTitle } from "./score.mjs";
import { chosen, report, variantsHere } from "./state.mjs";

/** Fill a select; the first of these values where the present one is not among them. @template {string | number} Value @param {string} id @param {[Value, string][]} options @param {Value} present @returns {Value} */
function fill(id, options, present) {
  const select = selectById(id);
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  const values = options.map(([value]) => value);
  const value = values.includes(present) || !values.length ? present : values[0];
  select.value = String(value);
  return value;
}

/** What there is to choose from with the chosen data set. */
function fillChoices() {
  const here = variantsHere();
  const named = (/** @type {number[]} */ indices) =>
    indices.map((index) => /** @type {[number, string]} */ ([index, report.variants[index].label]));
  const metrics = quantities(report, here)
    .filter((name) => !name.startsWith("sparsity/"))
    .map((name) => /** @type {[string, string]} */ ([name, metricTitle(report.datasets[chosen.data].headline, name)]));
  chosen.metric = fill("metric", metrics, chosen.metric);
  const confused = named(here.filter((index) => report.variants[index].confusion));
  chosen.confusion = fill("confused", confused, chosen.confusion);
  const paired = new Set(report.pairs.flatMap(({ a, b }) => [a, b]));
  chosen.reference = fill("reference", named(here.filter((index) => paired.has(index))), chosen.reference);
}

export function setUpChoices() {
  /** @type {Record<string, (value: string) => void>} */
  const choices = {
    metric: (value) => (chosen.metric = value),
    x: (value) => (chosen.x = value),
    "activity-kind": (value) => (chosen.activity = value),
    confused: (value) => (chosen.confusion = Number(value)),
    reference: (value) => (chosen.reference = Number(value)),
    dataset: (value) => {
      chosen.data = Number(value);
      nameScore();
      fillChoices();
      drawLegend();
    },
  };
  for (const [id, choose] of Object.entries(choices)) {
    const select = selectById(id);
    select.addEventListener("change", () => {
      choose(select.value);
      redraw();
    });
  }
  nameScore();
  fillChoices();
}

/** Captions speak of the metric that the chosen data set is judged by. */
function nameScore() {
  const title = report.datasets[chosen.data]?.headline.title;
  if (title) { for (const node of document.querySelectorAll(".headline")) node.textContent = title; }
}
