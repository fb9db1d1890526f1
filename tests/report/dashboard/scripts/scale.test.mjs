import assert from "node:assert/strict";
import { test } from "node:test";

import { apart, scaleOf } from "../../../../src/snn_zo/report/dashboard/scripts/scale.mjs";

test("scale of numbers reaches from the smallest to the largest", () => {
  const { share, ticks } = scaleOf([1, 3, 2], { shown: String });
  assert.deepEqual([1, 2, 3].map(share), [0, 0.5, 1]);
  assert.deepEqual(ticks, [[0, "1"], [1, "3"], [0.5, "2"]]);
});

test("scale of a falling quantity has the smallest at the top", () => {
  const { share, ticks } = scaleOf([1, 3, 2], { falling: true, shown: String });
  assert.deepEqual([1, 2, 3].map(share), [1, 0.5, 0]);
  assert.deepEqual(ticks, [[1, "1"], [0, "3"], [0.5, "2"]]);
});

test("logarithmic scale is one only of values above 0", () => {
  assert.equal(scaleOf([1, 10, 100], { log: true, shown: String }).share(10), 0.5);
  assert.equal(scaleOf([0, 10, 100], { log: true, shown: String }).share(10), 0.1);
});

test("scale of one value is in the middle", () => {
  const { share, ticks } = scaleOf([5, 5], { shown: String });
  assert.equal(share(5), 0.5);
  assert.deepEqual(ticks, [[0.5, "5"]]);
  assert.equal(scaleOf(["a"], { shown: String }).share("a"), 0.5);
});

test("scale of many values has ticks at quarters", () => {
  const values = Array.from({ length: 101 }, (_, i) => i);
  const { ticks } = scaleOf(values, { shown: String });
  assert.deepEqual(ticks.map(([, text]) => text), ["0", "100", "25", "50", "75"]);
});

test("scale of names is in order, with at most 12 of them as ticks", () => {
  const { share, ticks } = scaleOf(["b", 2, "a"], { shown: String });
  assert.deepEqual([2, "a", "b"].map(share), [0, 0.5, 1]);
  assert.deepEqual(ticks.map(([, text]) => text), ["2", "a", "b"]);
  const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
  assert.ok(scaleOf(names, { shown: String }).ticks.length <= 12);
});

test("ticks that would run into each other are left out, the ends last", () => {
  assert.deepEqual(apart([[0, "a"], [0.01, "b"], [0.5, "c"], [0.97, "d"], [1, "e"]]), [[0, "a"], [1, "e"], [0.5, "c"]]);
});
