// a report as the page holds it, of two variants with two runs each

/** @typedef {import("../../../../src/snn_zo/report/dashboard/scripts/types.d.ts").View} View */
/** @typedef {import("../../../../src/snn_zo/report/dashboard/scripts/payload.d.ts").Headline} Headline */
/** @typedef {import("../../../../src/snn_zo/report/dashboard/scripts/payload.d.ts").Variant} Variant */

/** @type {Record<string, Headline>} */
export const HEADLINES = {
  accuracy: { name: "acc", title: "accuracy", direction: "max", unit: "%" },
  r2: { name: "r2", title: "R2", direction: "max", unit: "" },
  error: { name: "mae", title: "absolute <error>", direction: "min", unit: "rad" },
};

/** @param {string} label @param {string} name of the headline metric @param {number} score @param {number} style @returns {Variant} */
const variant = (label, name, score, style) => ({
  data: 0,
  style,
  label,
  method: label,
  varied: { "optim.lr": 0.1 * (style + 1) },
  score: [score, score - 0.01, score + 0.01, 2],
  active: [0.1, null, null, 2],
  joules: [2, null, null, 2],
  curves: {
    x: { epoch: [1, 2] },
    y: { [`val/${name}`]: [[0.1, score], null, null], "val/loss": [[2, 1], [1, 0.5], [3, 1.5]] },
  },
  energy: { modelled: { forward: 1, memory: 1 }, dense: { forward: 8, memory: 8 } },
  times: { forward: 0.1, backward: 0.2, epoch: 0.5 },
  confusion: { classes: ["left", "right <b>"], runs: 2, index: [0, 2, 3], count: [8, 2, 6] },
});

/** @param {Headline} headline @param {Partial<View>} more @returns {View} */
export function viewOf(headline, more = {}) {
  /** @type {View["report"]} */
  const report = {
    datasets: [{
      name: "digits",
      headline,
      swept: { "optim.lr": "lr" },
      sweeps: [{ name: "lr", log: false, lines: [{ label: "any <b>", values: [0.1, 0.2], variants: [0, 1] }] }],
      target: 0.01,
      fronts: { active: [[0]], joules: [[1, 0]] },
    }],
    variants: [variant("first", headline.name, 0.9, 0), variant("second <b>", headline.name, 0.8, 1)],
    runs: [0, 0, 1, 1].map((variant, i) => ({
      variant,
      name: `run${i}`,
      dead: i === 3,
      score: 0.9 - 0.1 * i,
      active: 0.1,
      spike_rate: 0.02,
      joules: i + 1,
      epoch_s: 0.5,
    })),
    pairs: [{ a: 0, b: 1, difference: [0.1, 0.05, 0.15, 2], wins: 1, ties: 1, n: 2 }],
    downloads: {},
  };
  const chosen = {
    data: 0,
    hidden: /** @type {Set<number>} */ (new Set()),
    metric: `val/${headline.name}`,
    x: "epoch",
    activity: "active",
    confusion: 0,
    reference: 1,
    paper: false,
  };
  const [dataset] = report.datasets;
  return {
    report,
    chosen,
    dataset,
    shown: [0, 1],
    width: 800,
    narrow: false,
    dark: false,
    colour: (name) => name,
    ...more,
  };
}
