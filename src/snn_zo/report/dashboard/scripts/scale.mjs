// axes of parallel coordinates

/** @typedef {number | string} Value */
/** @typedef {[share: number, text: string]} Tick */

const MOST_TICKS = 12;
const APART = 0.06; // of the axis' height, the least between two ticks

/**
 * A scale from values to shares of an axis' height, with ticks.
 * @param {Value[]} values
 * @param {{ log?: boolean, falling?: boolean, shown: (value: number) => string }} how a logarithmic scale where all
 *   values are above 0; the smallest value at the top; a tick in words
 * @returns {{ share: (value: Value) => number, ticks: Tick[] }}
 */
export function scaleOf(values, { log = false, falling = false, shown }) {
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length === values.length ? scaleOfNumbers(numbers, log, falling, shown) : scaleOfNames(values);
}

/** @param {number[]} values @param {boolean} log @param {boolean} falling @param {(value: number) => string} shown */
function scaleOfNumbers(values, log, falling, shown) {
  const isLog = log && values.every((value) => value > 0);
  const at = isLog ? Math.log10 : (/** @type {number} */ value) => value;
  const back = isLog ? (/** @type {number} */ power) => 10 ** power : at;
  const low = Math.min(...values.map(at));
  const high = Math.max(...values.map(at));
  const share = (/** @type {Value} */ value) => {
    const rising = high > low ? (at(Number(value)) - low) / (high - low) : 0.5;
    return falling ? 1 - rising : rising;
  };
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  const quarters = [0, 0.25, 0.5, 0.75, 1].map((part) => back(low + part * (high - low)));
  const ticks = distinct.length <= 6 ? distinct : quarters;
  return { share, ticks: apart(ticks.map((value) => [share(value), shown(value)])) };
}

/** @param {Value[]} values */
function scaleOfNames(values) {
  const names = [...new Set(values.map(String))].sort();
  const share = (/** @type {Value} */ value) =>
    names.length > 1 ? names.indexOf(String(value)) / (names.length - 1) : 0.5;
  const step = Math.ceil(names.length / MOST_TICKS);
  const ticks = names.filter((_, i) => i % step === 0).map((name) => /** @type {Tick} */ ([share(name), name]));
  return { share, ticks };
}

/** Ticks, from the ends inwards, that do not run into each other. @param {Tick[]} ticks @returns {Tick[]} */
export function apart(ticks) {
  /** @type {Tick[]} */
  const kept = [];
  for (const tick of [ticks[0], ticks[ticks.length - 1], ...ticks.slice(1, -1)]) {
    if (kept.every(([share]) => Math.abs(share - tick[0]) > APART)) kept.push(tick);
  }
  return kept;
}
