// the metric that a data set is judged by

import { number, percent, plain } from "./text.mjs";

/** @typedef {import("./payload.d.ts").Headline} Headline */

const PARTS = { train: "training", val: "validation", test: "test" };

/** A value with its unit. @param {Headline} headline @param {number | null} value */
export function scored({ unit }, value) {
  if (value === null || unit === "%") return percent(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}

/** A difference of two values with its unit. @param {Headline} headline @param {number} value */
export function difference(headline, value) {
  return headline.unit === "%" ? `${number(100 * value)} points` : scored(headline, value);
}

/** A logged metric in words: `val/acc`. @param {Headline} headline @param {string} metric */
export function metricTitle(headline, metric) {
  const [part, name] = metric.split("/");
  return `${PARTS[/** @type {keyof typeof PARTS} */ (part)]} ${name === headline.name ? headline.title : name}`;
}

/** Whether a logged metric is the headline one. @param {Headline} headline @param {string} metric */
export const isHeadline = (headline, metric) => metric.split("/")[1] === headline.name;

/** What an axis has to say where the usual direction does not hold. @param {Headline} headline */
export const hint = ({ direction }) => (direction === "min" ? " (less is better)" : "");

/** Settings of an axis of values. @param {Headline} headline */
export function scoreAxis({ unit }) {
  if (unit === "%") return { tickformat: "~p", autorangeoptions: { clipmin: 0, clipmax: 1.01 } };
  return unit ? { ticksuffix: ` ${plain(unit)}` } : {};
}
