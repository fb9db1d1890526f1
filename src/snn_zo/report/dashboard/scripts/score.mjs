// the metric that a data set is judged by

import { rangeOf } from "./style.mjs";
import { number, percent, plain } from "./text.mjs";

/** @typedef {import("./payload.d.ts").Headline} Headline */

const PARTS = { train: "training", val: "validation", test: "test" };

/** Whether values are fractions, shown in per cent and their differences in points. @param {Headline} headline */
export const isShare = ({ unit }) => unit === "%";

/** A value with its unit. @param {Headline} headline @param {number | null} value */
export function scored(headline, value) {
  if (value === null || isShare(headline)) return percent(value);
  return headline.unit ? `${number(value)} ${headline.unit}` : number(value);
}

/** A difference of two values with its unit. @param {Headline} headline @param {number} value */
export function difference(headline, value) {
  return isShare(headline) ? `${number(100 * value)} points` : scored(headline, value);
}

/** A logged metric in words. @param {Headline} headline @param {string} metric */
export function metricTitle(headline, metric) {
  const [part, name] = metric.split("/");
  return `${PARTS[/** @type {keyof typeof PARTS} */ (part)]} ${name === headline.name ? headline.title : name}`;
}

/** Whether a logged metric is the headline one. @param {Headline} headline @param {string} metric */
export const isHeadline = (headline, metric) => metric.split("/")[1] === headline.name;

/** What an axis has to say where the usual direction does not hold. @param {Headline} headline */
export const hint = ({ direction }) => (direction === "min" ? " (less is better)" : "");

/** Settings of an axis of values. @param {Headline} headline @param {(number | null)[]} values */
export function scoreAxis(headline, values) {
  if (isShare(headline)) return { tickformat: "~p", range: rangeOf(values, { least: 0.02, within: [0, 1.01] }) };
  const range = rangeOf(values);
  return headline.unit ? { range, ticksuffix: ` ${plain(headline.unit)}` } : { range };
}
