import assert from "node:assert/strict";
import { test } from "node:test";

import {
  difference,
  hint,
  metricTitle,
  scoreAxis,
  scored,
} from "../../../../src/snn_zo/report/dashboard/scripts/score.mjs";
import { rangeOf } from "../../../../src/snn_zo/report/dashboard/scripts/style.mjs";
import { joules, number, percent, plain, wrapped } from "../../../../src/snn_zo/report/dashboard/scripts/text.mjs";
import { HEADLINES } from "./view.mjs";

test("percent has three significant digits and a dash for what is missing", () => {
  assert.equal(percent(0.97456), "97.5 %");
  assert.equal(percent(0.000123456), "0.0123 %");
  assert.equal(percent(null), "–");
});

test("joules has a prefix of the SI", () => {
  assert.deepEqual([1234, 2, 0.5, 2e-5, 3e-9].map(joules), ["1.23 kJ", "2 J", "500 mJ", "20 µJ", "3 nJ"]);
  assert.equal(joules(null), "–");
});

test("number drops what three digits do not show", () => {
  assert.deepEqual([0.1 + 0.2, 12345, -0.00015678].map(number), ["0.3", "12300", "-0.000157"]);
});

test("plain leaves plotly no tag, entity or template to read, and is cut", () => {
  assert.equal(plain("<b>&amp;%{x}"), "&lt;b&gt;&amp;amp;%\u200b{x}");
  assert.equal(plain("a".repeat(60)), `${"a".repeat(47)}…`);
});

test("wrapped breaks between words only", () => {
  assert.equal(wrapped("local_zo delta=0.1 m=5", 16), "local_zo<br>delta=0.1 m=5");
  assert.equal(wrapped("x".repeat(30), 16), "x".repeat(30));
});

test("scored shows a share in per cent, all else with its unit", () => {
  assert.equal(scored(HEADLINES.accuracy, 0.97456), "97.5 %");
  assert.equal(scored(HEADLINES.r2, 0.97456), "0.975");
  assert.equal(scored(HEADLINES.error, 0.0123), "0.0123 rad");
  for (const headline of Object.values(HEADLINES)) assert.equal(scored(headline, null), "–");
});

test("difference of shares is in points", () => {
  assert.equal(difference(HEADLINES.accuracy, -0.0123), "-1.23 points");
  assert.equal(difference(HEADLINES.r2, -0.0123), "-0.0123");
  assert.equal(difference(HEADLINES.error, 0.5), "0.5 rad");
});

test("metric titles are words", () => {
  assert.equal(metricTitle(HEADLINES.accuracy, "val/acc"), "validation accuracy");
  assert.equal(metricTitle(HEADLINES.accuracy, "train/loss"), "training loss");
  assert.equal(metricTitle(HEADLINES.r2, "train/r2"), "training R2");
});

test("the range of an axis suits its values, though it be a single one", () => {
  const rounded = (/** @type {[number, number] | undefined} */ range) => range?.map((end) => Number(end.toFixed(4)));
  assert.deepEqual(rounded(rangeOf([0, null, 1])), [-0.06, 1.06]);
  assert.deepEqual(rounded(rangeOf([0.5])), [0.444, 0.556]);
  assert.deepEqual(rounded(rangeOf([0])), [-0.56, 0.56]);
  assert.deepEqual(rounded(rangeOf([-2, -2])), [-2.224, -1.776]);
  assert.equal(rangeOf([null]), undefined);
  assert.deepEqual(rounded(scoreAxis(HEADLINES.accuracy, [0.962]).range), [0.8543, 1.01]);
  assert.deepEqual(rounded(scoreAxis(HEADLINES.accuracy, [0.962, 0.964]).range), [0.9518, 0.9742]);
});

test("axes say when less is better, and have the unit", () => {
  assert.deepEqual(Object.values(HEADLINES).map(hint), ["", "", " (less is better)"]);
  assert.equal(scoreAxis(HEADLINES.accuracy, [0.9]).tickformat, "~p");
  assert.deepEqual(scoreAxis(HEADLINES.r2, []), { range: undefined });
  assert.equal(scoreAxis(HEADLINES.error, [1]).ticksuffix, " rad");
});
