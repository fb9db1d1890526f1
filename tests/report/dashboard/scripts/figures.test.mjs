import assert from "node:assert/strict";
import { test } from "node:test";

import { energyFigure, timesFigure } from "../../../../src/snn_zo/report/dashboard/scripts/figures/bars.mjs";
import { confusionFigure, meanMatrix } from "../../../../src/snn_zo/report/dashboard/scripts/figures/confusion.mjs";
import { costFigure } from "../../../../src/snn_zo/report/dashboard/scripts/figures/cost.mjs";
import { curvesFigure, layersFigure } from "../../../../src/snn_zo/report/dashboard/scripts/figures/curves.mjs";
import { differences, pairsFigure } from "../../../../src/snn_zo/report/dashboard/scripts/figures/pairs.mjs";
import { parallelAxes } from "../../../../src/snn_zo/report/dashboard/scripts/figures/parallel.mjs";
import { sweptFigure } from "../../../../src/snn_zo/report/dashboard/scripts/figures/swept.mjs";
import { HEADLINES, viewOf } from "./view.mjs";

/** @typedef {import("../../../../src/snn_zo/report/dashboard/scripts/types.d.ts").Figure} Figure */

/** @param {Figure | null} figure */
function there(figure) {
  assert.ok(figure);
  return figure;
}

const ALL = [
  curvesFigure,
  layersFigure,
  confusionFigure,
  pairsFigure,
  timesFigure,
  sweptFigure,
  (/** @type {import("./view.mjs").View} */ view) => energyFigure(view, true),
  (/** @type {import("./view.mjs").View} */ view) => costFigure(view, "joules"),
];

test("figures of a page without runs are none", () => {
  const view = viewOf(HEADLINES.accuracy);
  const report = { ...view.report, datasets: [], variants: [], runs: [], pairs: [] };
  const empty = { ...view, report, dataset: report.datasets[0], shown: [] };
  for (const figure of ALL) assert.equal(figure(empty), null);
});

test("curves are named by the metric that is looked at", () => {
  const axes = Object.values(HEADLINES).map((headline) => there(curvesFigure(viewOf(headline))).layout.yaxis);
  assert.deepEqual(axes.map(({ title }) => title.text), [
    "validation accuracy",
    "validation R2",
    "validation absolute &lt;error&gt; (less is better)",
  ]);
  assert.deepEqual(axes.map(({ tickformat }) => tickformat), ["~p", undefined, undefined]);
});

test("curves of several seeds have a band, and a loss no per cent", () => {
  const view = viewOf(HEADLINES.accuracy);
  assert.equal(there(curvesFigure(view)).data.length, 2);
  const losses = there(curvesFigure({ ...view, chosen: { ...view.chosen, metric: "val/loss" } }));
  assert.equal(losses.data.length, 6);
  assert.equal(losses.layout.yaxis.tickformat, undefined);
});

test("cost figure has a front, the runs and the means, with a cross for the dead", () => {
  const { data, layout } = there(costFigure(viewOf(HEADLINES.accuracy), "joules"));
  assert.equal(data.length, 5);
  assert.deepEqual([data[0].x, data[0].y, data[0].line.shape], [[2, 2], [0.8, 0.9], "hv"]);
  assert.deepEqual(data[3].marker.symbol, ["circle", "x"]);
  assert.equal(data[4].text[0], "second &lt;b&gt;<br>mean of 2: 80 % at 2 J");
  assert.equal(layout.yaxis.title.text, "test accuracy");
});

test("cost figure of another metric has its name, its unit and its direction", () => {
  const { data, layout } = there(costFigure(viewOf(HEADLINES.error), "joules"));
  assert.equal(layout.yaxis.title.text, "test absolute &lt;error&gt; (less is better)");
  assert.equal(layout.yaxis.ticksuffix, " rad");
  assert.match(data[1].text[0], /^run0<br>0\.9 rad at 1 J$/);
});

test("differences turn round with the reference", () => {
  const view = viewOf(HEADLINES.accuracy);
  assert.deepEqual(differences(view), [{ other: 0, mean: 0.1, low: 0.05, high: 0.15, wins: 1, n: 2 }]);
  const turned = { ...view, chosen: { ...view.chosen, reference: 0 } };
  assert.deepEqual(differences(turned), [{ other: 1, mean: -0.1, low: -0.15, high: -0.05, wins: 0, n: 2 }]);
  assert.deepEqual(differences({ ...view, shown: [1] }), []);
});

test("differences have the best first, whatever is better", () => {
  for (const [name, order] of /** @type {const} */ ([["accuracy", [0, 2]], ["error", [2, 0]]])) {
    const view = viewOf(HEADLINES[name], { shown: [0, 1, 2] });
    view.report.pairs.push({ a: 1, b: 2, difference: [0.3, null, null, 1], wins: 1, ties: 0, n: 1 });
    assert.deepEqual(differences(view).map(({ other }) => other), order);
  }
});

test("pairs figure is in points of a share, else in the unit", () => {
  const [share, bare, unit] = Object.values(HEADLINES).map((headline) => there(pairsFigure(viewOf(headline))));
  assert.deepEqual([share.data[0].x, bare.data[0].x], [[10], [0.1]]);
  assert.deepEqual(share.data[0].text, ["10 points (5 to 15)"]);
  assert.deepEqual(bare.data[0].text, ["0.1 (0.05 to 0.15)"]);
  assert.deepEqual(unit.data[0].text, ["0.1 rad (0.05 to 0.15)"]);
  assert.deepEqual([share, bare, unit].map(({ layout }) => layout.xaxis.title.text), [
    "points of accuracy above second &lt;b&gt;",
    "R2 above second &lt;b&gt;",
    "absolute &lt;error&gt;, rad, above second &lt;b&gt; (less is better)",
  ]);
});

test("energy bars add the dense products where memory is in them", () => {
  const view = viewOf(HEADLINES.accuracy);
  const [bare, full] = [false, true].map((withMemory) => there(energyFigure(view, withMemory)));
  assert.deepEqual(bare.data.map(({ name, x }) => [name, x]), [["forward", [1, 1]]]);
  assert.deepEqual(full.data.map(({ name, x }) => [name, x]), [["forward", [1, 1, 8]], ["memory", [1, 1, 8]]]);
});

test("times have one piece and no legend where forward and backward were not timed", () => {
  const view = viewOf(HEADLINES.accuracy);
  const whole = there(timesFigure(view));
  assert.deepEqual(whole.data.map(({ x }) => x[0].toFixed(1)), ["0.1", "0.2", "0.2"]);
  assert.ok(whole.layout.showlegend);
  for (const variant of view.report.variants) variant.times = { forward: null, backward: null, epoch: 0.5 };
  const single = there(timesFigure(view));
  assert.deepEqual(single.data.map(({ name, x }) => [name, x]), [["rest", [0.5, 0.5]]]);
  assert.ok(!single.layout.showlegend);
});

test("confusion matrix is the mean of the runs, shaded by the true class", () => {
  const view = viewOf(HEADLINES.accuracy);
  assert.deepEqual(meanMatrix({ classes: ["left", "right"], runs: 2, index: [0, 2, 3], count: [8, 2, 6] }), [[4, 0], [
    1,
    3,
  ]]);
  assert.deepEqual(there(confusionFigure(view)).data[0].z, [[1, 0], [0.25, 0.75]]);
  assert.equal(confusionFigure({ ...view, chosen: { ...view.chosen, confusion: -1 } }), null);
});

test("confusion matrix names its classes, and has numbers only where a cell has room for them", () => {
  const view = viewOf(HEADLINES.accuracy);
  const { data: [heat], layout } = there(confusionFigure(view));
  assert.deepEqual(heat.customdata[1], [
    "right &lt;b&gt; as left: 1 recordings",
    "right &lt;b&gt; as right &lt;b&gt;: 3 recordings",
  ]);
  assert.deepEqual(layout.xaxis.ticktext, ["left", "right &lt;b&gt;"]);
  assert.deepEqual([heat.text[0], heat.texttemplate, heat.textfont.size], [["4", ""], "%{text}", 11]);
  const classes = Array.from({ length: 50 }, (_, i) => String(i));
  view.report.variants[0].confusion = { classes, runs: 1, index: [0], count: [8] };
  const many = there(confusionFigure({ ...view, width: 390, narrow: true }));
  assert.equal(many.data[0].texttemplate, undefined);
  assert.deepEqual(many.layout.xaxis.ticktext.slice(0, 2), ["0", "3"]);
});

test("parallel axes end with the score, the best at the top", () => {
  const names = ["accuracy", "R2", "mae, rad"];
  Object.values(HEADLINES).forEach((headline, i) => {
    const view = viewOf(headline);
    const axes = parallelAxes(view, view.report.runs);
    assert.deepEqual(axes.map(({ name }) => name), [
      "method",
      "lr",
      "spike rate",
      "active",
      "energy",
      "s / epoch",
      names[i],
    ]);
    const [highest, , , lowest] = view.report.runs.map((run) => axes[6].place(run).toFixed(3));
    assert.deepEqual([lowest, highest], headline.direction === "max" ? ["0.000", "1.000"] : ["1.000", "0.000"]);
    assert.equal(axes[6].ticks[0][1], i ? "0.6" : "60 %");
  });
});

test("a run without a setting is at none, below the axis", () => {
  const view = viewOf(HEADLINES.accuracy);
  view.report.variants[1].varied = {};
  const lr = parallelAxes(view, view.report.runs)[1];
  assert.deepEqual(view.report.runs.map(lr.place), [0.5, 0.5, -0.13, -0.13]);
  assert.deepEqual(lr.ticks, [[0.5, "0.1"], [-0.13, "none"]]);
});

test("swept figure has the score with its interval, the active fraction, and the target", () => {
  const { data, layout } = there(sweptFigure(viewOf(HEADLINES.accuracy)));
  const [score, active, target] = data;
  assert.deepEqual([score.x, score.y], [[0.1, 0.2], [0.9, 0.8]]);
  assert.deepEqual(score.error_y.array.map((/** @type {number} */ value) => value.toFixed(2)), ["0.01", "0.01"]);
  assert.equal(score.text[0], "any &lt;b&gt;<br>lr = 0.1: 90 %");
  assert.deepEqual([active.y, active.error_y.array, active.showlegend], [[0.1, 0.1], [0, 0], false]);
  assert.deepEqual([target.x, target.y], [[0.1, 0.2], [0.01, 0.01]]);
  assert.deepEqual([active.xaxis, active.yaxis], [target.xaxis, target.yaxis]);
  assert.deepEqual([layout.xaxis2.title.text, layout.yaxis2.type, layout.xaxis.matches], ["lr", "log", "x2"]);
});

test("swept figure keeps a whole line while one of its variants is shown", () => {
  const view = viewOf(HEADLINES.accuracy);
  assert.deepEqual(there(sweptFigure({ ...view, shown: [1] })).data[0].x, [0.1, 0.2]);
  assert.equal(sweptFigure({ ...view, shown: [] }), null);
});

test("swept figure has a column for each setting, and on a telephone one below the other", () => {
  const view = viewOf(HEADLINES.accuracy);
  const [sweep] = view.dataset.sweeps;
  view.dataset.sweeps = [sweep, { ...sweep, name: "delta", log: true }];
  const { data, layout } = there(sweptFigure(view));
  assert.deepEqual(data.map(({ showlegend }) => showlegend), [true, false, false, false, false, false]);
  assert.deepEqual(layout.yaxis.domain, layout.yaxis3.domain);
  assert.deepEqual([layout.xaxis.type, layout.xaxis4.type, layout.yaxis3.matches], [undefined, "log", "y"]);
  const narrow = there(sweptFigure({ ...view, narrow: true }));
  assert.deepEqual(narrow.layout.xaxis.domain, [0, 1]);
  assert.ok(narrow.layout.yaxis3.domain[1] < narrow.layout.yaxis2.domain[0]);
});
